//! The cases of blocks, headers and what belongs to them.

use bytes::Bytes;

use super::{CaseError, Harness, batch, names, series, target};
use crate::store::{
    BlockRow, CommitBatch, DeletionRow, FoldCommit, Forgotten, Found, LayoutRow, PackRow,
    SeriesRow, StoreError, TargetRow, Tier, Turn, Wanted, WindowHead, WindowKey, WindowRow,
};

const HOUR: i64 = 3_600_000;

fn key(hour: i64, pack: u64) -> WindowKey {
    WindowKey {
        window: hour * HOUR,
        pack,
    }
}

fn block(group: u32, text: &str) -> BlockRow {
    BlockRow {
        group,
        blob: Bytes::copy_from_slice(text.as_bytes()),
    }
}

fn window(key: WindowKey, ver: u64) -> WindowRow {
    WindowRow {
        head: WindowHead {
            key,
            ver,
            layout: ver + 7,
            fold_seq: ver * 100,
        },
        clocks: Bytes::from(format!("clocks of {key:?} {ver}")),
    }
}

fn turn(tier: Tier, key: WindowKey, ver: u64) -> FoldCommit {
    FoldCommit {
        turns: vec![Turn::Valid(tier, window(key, ver))],
        ..FoldCommit::default()
    }
}

fn wanted(key: WindowKey, groups: &[u32]) -> Wanted {
    Wanted {
        key,
        groups: groups.to_vec(),
    }
}

fn found(key: WindowKey, ver: u64, blocks: &[BlockRow]) -> Found {
    Found {
        row: window(key, ver),
        blocks: blocks.to_vec(),
    }
}

/// Blocks are there from the moment their header is turned to them, and those before no more.
pub async fn blocks_count_from_their_turn_on(harness: &dyn Harness) -> Result<(), CaseError> {
    let store = harness.store().await?;
    store.open().await?;
    let (raw, at) = (Tier::Raw, key(5, 1));
    let all = [wanted(at, &[0, 1, 2, 3])];
    assert_eq!(store.read_windows(raw, &all).await?, []);
    store
        .put_blocks(raw, at, 1, &[block(0, "a"), block(2, "c")])
        .await?;
    assert_eq!(store.read_windows(raw, &all).await?, []);
    assert_eq!(store.windows(raw, None, 9).await?, []);
    let commit = turn(raw, at, 1);
    store.turn(&commit).await?;
    store.turn(&commit).await?;
    let first = [found(at, 1, &[block(0, "a"), block(2, "c")])];
    assert_eq!(store.read_windows(raw, &all).await?, first);
    store.put_blocks(raw, at, 2, &[block(0, "x")]).await?;
    store
        .put_blocks(raw, at, 2, &[block(0, "A"), block(3, "D")])
        .await?;
    assert_eq!(store.read_windows(raw, &all).await?, first);
    // Other tiers and packs have windows of their own.
    store
        .put_blocks(Tier::Hour, at, 2, &[block(1, "B")])
        .await?;
    store
        .put_blocks(raw, key(5, 2), 2, &[block(1, "B")])
        .await?;
    store.turn(&turn(raw, at, 2)).await?;
    // What the second version does not have stays as it was.
    let blocks = [block(0, "A"), block(2, "c"), block(3, "D")];
    let second = [found(at, 2, &blocks)];
    assert_eq!(store.read_windows(raw, &all).await?, second);
    assert_eq!(store.read_windows(Tier::Hour, &all).await?, []);
    let gone = FoldCommit {
        turns: vec![Turn::Gone(raw, at), Turn::Gone(Tier::Hour, at)],
        ..FoldCommit::default()
    };
    store.turn(&gone).await?;
    store.turn(&gone).await?;
    assert_eq!(store.read_windows(raw, &all).await?, []);
    assert_eq!(store.windows(raw, None, 9).await?, []);
    store.close().await?;
    Ok(())
}

/// Only what is asked for is read, in the order in which it is asked for.
pub async fn blocks_are_read_by_group(harness: &dyn Harness) -> Result<(), CaseError> {
    let store = harness.store().await?;
    store.open().await?;
    let five = Tier::FiveMinutes;
    let groups = [0, 7, 300, u32::MAX];
    let mut commit = FoldCommit::default();
    for (hour, pack) in [(3, 1), (1, 9), (-1, 1)] {
        let at = key(hour, pack);
        let blocks = groups.map(|group| block(group, &format!("{hour} {pack} {group}")));
        store.put_blocks(five, at, 3, &blocks).await?;
        commit.turns.push(Turn::Valid(five, window(at, 3)));
    }
    store.turn(&commit).await?;
    let asked = [
        wanted(key(3, 1), &[7, 8, u32::MAX]),
        wanted(key(3, 9), &[7]),
        wanted(key(1, 9), &[]),
        wanted(key(-1, 1), &[300]),
    ];
    let expected = [
        found(
            key(3, 1),
            3,
            &[block(7, "3 1 7"), block(u32::MAX, "3 1 4294967295")],
        ),
        found(key(1, 9), 3, &[]),
        found(key(-1, 1), 3, &[block(300, "-1 1 300")]),
    ];
    assert_eq!(store.read_windows(five, &asked).await?, expected);
    assert_eq!(store.read_windows(Tier::Raw, &asked).await?, []);
    assert_eq!(store.read_windows(five, &[]).await?, []);
    store.close().await?;
    Ok(())
}

/// Headers are listed by window, then pack, without a gap between two pages.
pub async fn windows_are_listed_in_pages(harness: &dyn Harness) -> Result<(), CaseError> {
    let store = harness.store().await?;
    store.open().await?;
    let mut commit = FoldCommit::default();
    for (hour, pack) in [(2, 5), (0, 9), (2, 1), (0, 2), (7, 1)] {
        let row = window(key(hour, pack), 1);
        commit.turns.push(Turn::Valid(Tier::Raw, row));
    }
    store.turn(&commit).await?;
    let expected = [(0, 2), (0, 9), (2, 1), (2, 5), (7, 1)];
    let (mut after, mut listed) = (None, Vec::new());
    loop {
        let page = store.windows(Tier::Raw, after, 2).await?;
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = Some(last.key);
        listed.extend(page);
    }
    let expected = expected.map(|(hour, pack)| window(key(hour, pack), 1).head);
    assert_eq!(listed, expected);
    assert_eq!(store.windows(Tier::Hour, None, 9).await?, []);
    store.close().await?;
    Ok(())
}

/// Sweeping removes the blocks that do not count, in pages.
pub async fn what_does_not_count_is_swept(harness: &dyn Harness) -> Result<(), CaseError> {
    let store = harness.store().await?;
    store.open().await?;
    let (raw, at) = (Tier::Raw, key(1, 1));
    let blocks = |from: u32| -> Vec<_> { (from..5).map(|group| block(group, "x")).collect() };
    for ver in 1..=4 {
        // The second version has three groups, the fourth is not finished.
        let from = if ver == 2 { 2 } else { 0 };
        store.put_blocks(raw, at, ver, &blocks(from)).await?;
        store.put_blocks(raw, key(1, 2), ver, &blocks(0)).await?;
    }
    store.put_blocks(raw, at, 2, &[block(4, "y")]).await?;
    store.turn(&turn(raw, at, 2)).await?;
    store.turn(&turn(raw, key(1, 2), 3)).await?;
    // Of 18 blocks five count.
    assert_eq!(store.sweep(raw, at, 2, 7).await?, 7);
    assert_eq!(store.sweep(raw, at, 2, 7).await?, 6);
    assert_eq!(store.sweep(raw, at, 2, 7).await?, 0);
    let asked = [wanted(at, &[0, 1, 2, 4]), wanted(key(1, 2), &[3])];
    let kept = [block(0, "x"), block(1, "x"), block(2, "x"), block(4, "y")];
    let expected = [found(at, 2, &kept), found(key(1, 2), 3, &[block(3, "x")])];
    assert_eq!(store.read_windows(raw, &asked).await?, expected);
    let gone = vec![Turn::Gone(raw, at)];
    store
        .turn(&FoldCommit {
            turns: gone,
            ..FoldCommit::default()
        })
        .await?;
    assert_eq!(store.sweep(raw, at, 0, 99).await?, 5);
    assert_eq!(store.read_windows(raw, &asked).await?, expected[1..]);
    store.close().await?;
    Ok(())
}

/// Windows from before a moment go, valid or not, and no others.
pub async fn old_windows_expire(harness: &dyn Harness) -> Result<(), CaseError> {
    let store = harness.store().await?;
    store.open().await?;
    let raw = Tier::Raw;
    let mut commit = FoldCommit::default();
    for hour in 0..6 {
        for pack in 1..=3 {
            let at = key(hour, pack);
            let blocks = [block(0, "x"), block(1, "y")];
            store.put_blocks(raw, at, 1, &blocks).await?;
            store.put_blocks(Tier::Hour, at, 1, &blocks).await?;
            // Those of the third pack have never become valid.
            if pack < 3 {
                commit.turns.push(Turn::Valid(raw, window(at, 1)));
                commit.turns.push(Turn::Valid(Tier::Hour, window(at, 1)));
            }
        }
    }
    store.turn(&commit).await?;
    let mut rounds = 0;
    while store.expire(raw, 4 * HOUR, 4).await? > 0 {
        rounds += 1;
        assert!(rounds < 100, "expiring does not end");
    }
    let left = store.windows(raw, None, 99).await?;
    let left: Vec<WindowKey> = left.iter().map(|head| head.key).collect();
    assert_eq!(left, [key(4, 1), key(4, 2), key(5, 1), key(5, 2)]);
    assert_eq!(store.windows(Tier::Hour, None, 99).await?.len(), 12);
    // Turned to again, there is nothing of before.
    store.turn(&turn(raw, key(0, 1), 1)).await?;
    let asked = [wanted(key(0, 1), &[0, 1]), wanted(key(4, 1), &[1])];
    let expected = [
        found(key(0, 1), 1, &[]),
        found(key(4, 1), 1, &[block(1, "y")]),
    ];
    assert_eq!(store.read_windows(raw, &asked).await?, expected);
    store.close().await?;
    Ok(())
}

/// Rows beside the windows are written, replaced and forgotten.
pub async fn packs_layouts_and_deletions_come_and_go(
    harness: &dyn Harness,
) -> Result<(), CaseError> {
    let store = harness.store().await?;
    store.open().await?;
    let pack = |id, text: &'static [u8]| PackRow {
        id,
        blob: Bytes::from_static(text),
    };
    let layout = |pack, id, text: &'static [u8]| LayoutRow {
        pack,
        id,
        blob: Bytes::from_static(text),
    };
    let layouts = vec![
        layout(4, 1, b"one"),
        layout(4, 2, b"two"),
        layout(9, 1, b""),
    ];
    let fold = FoldCommit {
        layouts: layouts.clone(),
        packs: vec![pack(4, b"a"), pack(9, b"b")],
        meta: vec![("layouts", 3)],
        ..FoldCommit::default()
    };
    store.turn(&fold).await?;
    store.turn(&fold).await?;
    let deletion = |seq: u64| CommitBatch {
        deletion: Some(Bytes::from(format!("deletion {seq}"))),
        packs: vec![pack(4, b"c")],
        ..batch(seq)
    };
    for seq in 1..=3 {
        store.commit(&deletion(seq)).await?;
    }
    for reopened in [false, true] {
        let store = if reopened {
            store.close().await?;
            let store = harness.store().await?;
            let meta = store.open().await?.meta;
            assert_eq!(meta, [("layouts".to_owned(), 3)]);
            store
        } else {
            store.clone()
        };
        assert_eq!(store.layout(4, 2).await?, Some(layouts[1].clone()));
        assert_eq!(store.layout(9, 1).await?, Some(layouts[2].clone()));
        assert_eq!(store.layout(9, 2).await?, None);
        assert_eq!(store.pack(4).await?, Some(pack(4, b"c")));
        assert_eq!(store.pack(5).await?, None);
        assert_eq!(store.packs(0, 1).await?, [pack(4, b"c")]);
        assert_eq!(store.packs(4, 9).await?, [pack(9, b"b")]);
        let kept = store.deletions().await?;
        let expected = [1, 2, 3].map(|seq| DeletionRow {
            seq,
            blob: Bytes::from(format!("deletion {seq}")),
        });
        assert_eq!(kept, expected);
        if !reopened {
            continue;
        }
        let forgotten = Forgotten {
            layouts: vec![(4, 2), (5, 5)],
            packs: vec![9, 77],
            deletions: vec![1, 3, 8],
        };
        store.forget(&forgotten).await?;
        assert_eq!(store.layout(4, 2).await?, None);
        assert_eq!(store.layout(4, 1).await?, Some(layouts[0].clone()));
        assert_eq!(store.packs(0, 9).await?, [pack(4, b"c")]);
        assert_eq!(store.deletions().await?, expected[1..2]);
        store.close().await?;
    }
    Ok(())
}

/// Series that have left memory are found by id, are not listed, and expire by their last sample.
pub async fn series_that_have_left_are_apart(harness: &dyn Harness) -> Result<(), CaseError> {
    let store = harness.store().await?;
    store.open().await?;
    let in_pack = TargetRow {
        pack: 77,
        ..target(1, "job=a")
    };
    let all: Vec<_> = (1..=6)
        .map(|id| series(id, 1, &format!("a=v{id}")))
        .collect();
    store
        .commit(&CommitBatch {
            targets: vec![in_pack.clone()],
            series: all.clone(),
            ..batch(1)
        })
        .await?;
    store
        .commit(&CommitBatch {
            left_series: vec![
                (2, Some(-5)),
                (3, Some(7)),
                (4, Some(10)),
                (5, Some(20)),
                (99, Some(1)),
            ],
            ..batch(2)
        })
        .await?;
    store
        .commit(&CommitBatch {
            left_series: vec![(3, None), (4, Some(30))],
            forgotten_series: vec![5],
            ..batch(3)
        })
        .await?;
    assert_eq!(store.targets(0, 9).await?, [in_pack]);
    let live = [all[0].clone(), all[2].clone(), all[5].clone()];
    assert_eq!(store.series(0, 99).await?, names(&live));
    assert_eq!(store.series(1, 1).await?, names(&live[1..2]));
    let by_id = async |ids: &[u64]| {
        let mut rows = store.series_by_id(ids).await?;
        rows.sort_by_key(|row| row.id);
        Ok::<_, StoreError>(rows)
    };
    let left = |row: &SeriesRow, last| SeriesRow {
        last: Some(last),
        ..row.clone()
    };
    let gone = [left(&all[1], -5), left(&all[3], 30)];
    assert_eq!(store.left_series(0, 99).await?, gone);
    assert_eq!(store.left_series(2, 1).await?, gone[1..]);
    let expected = [all[0].clone(), gone[0].clone(), gone[1].clone()];
    assert_eq!(by_id(&[4, 1, 5, 2, 44]).await?, expected);
    assert_eq!(by_id(&[]).await?, []);
    assert_eq!(store.expire_series(30, 1).await?, 1);
    assert_eq!(store.expire_series(30, 1).await?, 0);
    assert_eq!(by_id(&[2, 3, 4]).await?, [all[2].clone(), gone[1].clone()]);
    assert_eq!(store.expire_series(i64::MAX, 9).await?, 1);
    assert_eq!(store.series(0, 99).await?, names(&live));
    store.close().await?;
    Ok(())
}

/// A store that is dropped without closing has everything that was turned to.
pub async fn blocks_survive_without_closing(harness: &dyn Harness) -> Result<(), CaseError> {
    for ver in 1..=3 {
        let store = harness.store().await?;
        store.open().await?;
        let at = key(1, 1);
        let listed = store.windows(Tier::Raw, None, 9).await?;
        let before = window(at, ver - 1).head;
        assert_eq!(
            listed,
            [before]
                .into_iter()
                .filter(|head| head.ver > 0)
                .collect::<Vec<_>>()
        );
        let text = format!("version {ver}");
        store
            .put_blocks(Tier::Raw, at, ver, &[block(0, &text)])
            .await?;
        store.turn(&turn(Tier::Raw, at, ver)).await?;
        let asked = [wanted(at, &[0])];
        let expected = [found(at, ver, &[block(0, &text)])];
        assert_eq!(store.read_windows(Tier::Raw, &asked).await?, expected);
    }
    Ok(())
}

/// Whoever was taken over writes no blocks, turns no header and removes nothing.
pub async fn who_was_taken_over_writes_no_blocks(harness: &dyn Harness) -> Result<(), CaseError> {
    let store = harness.store().await?;
    store.open().await?;
    store.commit(&batch(1)).await?;
    let (raw, at) = (Tier::Raw, key(1, 1));
    store.put_blocks(raw, at, 1, &[block(0, "x")]).await?;
    store.turn(&turn(raw, at, 1)).await?;
    let Some(other) = harness.beside(&store).await? else {
        return Ok(());
    };
    other.open().await?;
    let fenced = StoreError::Fenced;
    let put = store.put_blocks(raw, at, 2, &[block(0, "y")]).await;
    assert_eq!(put, Err(fenced.clone()));
    assert_eq!(store.turn(&turn(raw, at, 2)).await, Err(fenced.clone()));
    assert_eq!(store.sweep(raw, at, 0, 9).await, Err(fenced.clone()));
    assert_eq!(store.expire(raw, i64::MAX, 9).await, Err(fenced.clone()));
    assert_eq!(store.trim(1, 9).await, Err(fenced));
    let asked = [wanted(at, &[0])];
    let expected = [found(at, 1, &[block(0, "x")])];
    assert_eq!(other.read_windows(raw, &asked).await?, expected);
    other.close().await?;
    Ok(())
}

/// Hundreds of windows asked for at once, blocks of a megabyte.
pub async fn many_blocks_and_large_ones(harness: &dyn Harness) -> Result<(), CaseError> {
    let store = harness.store().await?;
    store.open().await?;
    let raw = Tier::Raw;
    let noise = (0..1_000_000u32).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[3]);
    let large: Bytes = noise.collect();
    let large = BlockRow {
        group: 9,
        blob: large,
    };
    let mut commit = FoldCommit::default();
    for hour in 0..300 {
        let at = key(hour, 1);
        let blocks: Vec<_> = (0..4)
            .map(|group| block(group, &format!("{hour} {group}")))
            .collect();
        store.put_blocks(raw, at, 1, &blocks).await?;
        commit.turns.push(Turn::Valid(raw, window(at, 1)));
    }
    store
        .put_blocks(raw, key(7, 1), 1, std::slice::from_ref(&large))
        .await?;
    let size = store.size().await?;
    store.turn(&commit).await?;
    assert!(size >= 1_000_000, "{size}");
    let asked: Vec<Wanted> = (0..300).map(|hour| wanted(key(hour, 1), &[2, 9])).collect();
    let all = store.read_windows(raw, &asked).await?;
    assert_eq!(all.len(), 300);
    assert_eq!(all[7].blocks, [block(2, "7 2"), large]);
    assert_eq!(all[299], found(key(299, 1), 1, &[block(2, "299 2")]));
    store.close().await?;
    Ok(())
}
