//! Folding, without a store.

use system_stats_model::labels::Labels;
use system_stats_model::sample::TimeRange;

use super::*;
use crate::block::Clocks;
use crate::head::{Row, Window};

fn window(rows: &[(Millis, &[(u32, f64)])]) -> Vec<Arc<Window>> {
    let mut window = Window::new(0);
    for (timestamp, cells) in rows {
        window.insert(Arc::new(Row {
            timestamp: *timestamp,
            ids: cells.iter().map(|cell| cell.0).collect(),
            values: cells.iter().map(|cell| cell.1).collect(),
        }));
    }
    vec![Arc::new(window)]
}

fn layout(ids: &[u32]) -> Arc<Layout> {
    let series: Vec<(u32, u32)> = ids.iter().map(|&id| (id / 100, id)).collect();
    Arc::new(Layout::of(&series, |id| {
        Some(Labels::from_pairs([("__name__", format!("m{}", id % 100))]))
    }))
}

/// All rows of a fold, and the rest.
fn run(mut fold: Fold) -> (BTreeMap<u32, Vec<u8>>, Clocks, Folded) {
    let mut groups = BTreeMap::new();
    loop {
        let rows = fold.slice(1).unwrap();
        if rows.is_empty() {
            break;
        }
        groups.extend(rows.into_iter().map(|row| (row.group, row.blob.to_vec())));
    }
    let (clocks, folded) = fold.finish();
    (groups, Clocks::decode(clocks.into()).unwrap(), folded)
}

fn read(
    layout: &Layout,
    groups: &BTreeMap<u32, Vec<u8>>,
    clocks: &Clocks,
    id: u32,
) -> Vec<(u32, f64)> {
    let column = layout.column(id).unwrap();
    let group = Group::decode(&groups[&group_of(column)]).unwrap();
    let (mut times, mut values) = (Vec::new(), Vec::new());
    let place = column as usize % GROUP;
    group
        .read(place, clocks, &mut values, &mut |some| {
            times.extend_from_slice(some);
        })
        .unwrap();
    times.into_iter().zip(values).collect()
}

fn sources(all: Vec<Vec<Arc<Window>>>) -> Vec<Source> {
    let all = all.into_iter();
    all.filter_map(|windows| Source::new(0, &windows)).collect()
}

#[test]
fn targets_share_groups_and_equal_clocks() {
    let rows = |id: u32, shift: Millis| -> Vec<(Millis, Vec<(u32, f64)>)> {
        let row = |at: i64| (at * 1000 + shift, vec![(id, at as f64), (id + 1, 0.5)]);
        (0..40).map(row).collect()
    };
    let make = |id, shift| {
        let rows = rows(id, shift);
        let rows: Vec<_> = rows.iter().map(|(at, cells)| (*at, &cells[..])).collect();
        window(&rows)
    };
    let layout = layout(&[100, 101, 200, 201, 300, 301]);
    let all = sources(vec![make(100, 0), make(200, 7), make(300, 0)]);
    let fold = Fold::new(0, Arc::clone(&layout), all, None, Vec::new()).unwrap();
    let (groups, clocks, folded) = run(fold);
    assert_eq!((groups.len(), clocks.len()), (1, 2));
    assert_eq!((folded.samples, folded.refused, folded.raw), (240, 0, 0));
    assert_eq!(folded.added.len(), 6);
    let shown = read(&layout, &groups, &clocks, 200);
    let expected: Vec<(u32, f64)> = (0..40).map(|at| (at * 1000 + 7, f64::from(at))).collect();
    assert_eq!(shown, expected);
}

#[test]
fn late_samples_are_merged_and_deletions_come_before_them() {
    let ids: Vec<u32> = (0..200).collect();
    let layout = layout(&ids);
    let cells: Vec<(u32, f64)> = ids.iter().map(|&id| (id, f64::from(id))).collect();
    let rows: Vec<(Millis, &[(u32, f64)])> = (1..=5).map(|at| (at * 10, &cells[..])).collect();
    let all = sources(vec![window(&rows)]);
    let fold = Fold::new(0, Arc::clone(&layout), all, None, Vec::new()).unwrap();
    let (mut groups, clocks, _) = run(fold);
    assert_eq!(groups.len(), 4);
    // Deleted, and filled up again; one twice; one with another value; one of a new time.
    let late: Vec<(Millis, &[(u32, f64)])> = vec![
        (20, &[(7, 70.0)]),
        (25, &[(7, 1.0)]),
        (40, &[(7, 7.0)]),
        (50, &[(7, 8.0)]),
    ];
    let base = Base {
        clocks,
        groups: groups
            .iter()
            .map(|(number, blob)| (*number, Group::decode(blob).unwrap()))
            .collect(),
        is_lost: false,
    };
    let deletion = Arc::new(Deletion {
        seq: 9,
        is_counted: true,
        range: TimeRange { start: 15, end: 35 },
        ids: [7, 8].into(),
    });
    let all = sources(vec![window(&late)]);
    let deletions = vec![deletion];
    let fold = Fold::new(0, Arc::clone(&layout), all, Some(base), deletions).unwrap();
    let (changed, clocks, folded) = run(fold);
    assert_eq!(changed.len(), 1, "7 and 8 are in one group");
    groups.extend(changed);
    assert_eq!((folded.samples, folded.refused), (2, 1));
    assert_eq!(folded.again, [7]);
    let of = |id| read(&layout, &groups, &clocks, id);
    assert_eq!(
        of(7),
        [(10, 7.0), (20, 70.0), (25, 1.0), (40, 7.0), (50, 7.0)]
    );
    assert_eq!(of(8), [(10, 8.0), (40, 8.0), (50, 8.0)]);
    assert_eq!(of(9).len(), 5);
    assert_eq!(of(150).len(), 5);
}

#[test]
fn a_group_that_loses_everything_is_written_empty() {
    let layout = layout(&[1, 2]);
    let all = sources(vec![window(&[(10, &[(1, 1.0), (2, 2.0)])])]);
    let fold = Fold::new(0, Arc::clone(&layout), all, None, Vec::new()).unwrap();
    let (groups, clocks, _) = run(fold);
    let groups = groups.iter();
    let base = Base {
        clocks,
        groups: groups
            .map(|(number, blob)| (*number, Group::decode(blob).unwrap()))
            .collect(),
        is_lost: false,
    };
    let deletion = Arc::new(Deletion {
        seq: 9,
        is_counted: true,
        range: TimeRange::ALL,
        ids: [1, 2].into(),
    });
    let fold = Fold::new(0, layout, Vec::new(), Some(base), vec![deletion]).unwrap();
    let (groups, _, folded) = run(fold);
    assert_eq!(groups, BTreeMap::from([(0, Vec::new())]));
    assert_eq!(folded.samples, 0);
}

#[test]
fn what_does_not_decode_to_what_it_was_is_noticed() {
    let layout = layout(&[1]);
    let all = sources(vec![window(&[(10, &[(1, 1.0)]), (20, &[(1, 2.5)])])]);
    let fold = Fold::new(0, layout, all, None, Vec::new()).unwrap();
    let mut contents = vec![fold.content(0, 0, 1).unwrap()];
    let packed = fold.encode(Coding::Packed, &contents).unwrap();
    assert!(fold.is_faithful(&packed, &contents));
    // A codec that gives back something else.
    let mut body = Vec::new();
    crate::column::encode_cells(&[(0, 1.0), (1, 2.0)], 2, &mut body, &mut Vec::new());
    contents[0].stored = Some(Stored {
        clock: 0,
        body,
        bits: Vec::new(),
    });
    let wrong = fold.encode(Coding::Packed, &contents).unwrap();
    assert!(!fold.is_faithful(&wrong, &contents));
    let raw = fold.encode(Coding::Raw, &contents).unwrap();
    assert!(fold.is_faithful(&raw, &contents));
}
