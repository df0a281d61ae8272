//! `/proc/mdstat`: software RAID (`Documentation/admin-guide/md.rst`).

/// What an array is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Active,
    Inactive,
    Recovering,
    Resyncing,
    Checking,
}

/// One array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Array {
    pub(crate) device: String,
    pub(crate) state: State,
    pub(crate) active: u64,
    pub(crate) failed: u64,
    pub(crate) spare: u64,
    /// Disks that a complete array has.
    pub(crate) required: u64,
    pub(crate) blocks: u64,
    /// As many as `blocks` unless it is being synchronized.
    pub(crate) blocks_synced: u64,
}

/// Every array of the file.
pub(crate) fn parse(text: &str) -> Vec<Array> {
    let mut arrays = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let mut details = Vec::new();
        while let Some(detail) = lines.next_if(|line| line.starts_with([' ', '\t'])) {
            details.push(detail);
        }
        arrays.extend(parse_array(line, &details));
    }
    arrays
}

/// `md0 : active raid1 sdb1[1] sda1[0](F)` and the indented lines below it.
fn parse_array(line: &str, details: &[&str]) -> Option<Array> {
    let (device, rest) = line.split_once(" : ")?;
    let is_active = match rest.split_ascii_whitespace().next()? {
        "active" => true,
        "inactive" => false,
        _ => return None,
    };
    let size = details.first()?;
    let blocks: u64 = size.split_ascii_whitespace().next()?.parse().ok()?;
    let members = rest.matches('[').count() as u64;
    let (required, active) = match counts(size) {
        Some(counts) => counts,
        // Without redundancy there is nothing to miss: all members are needed.
        None if is_active => (members, members),
        None => (0, 0),
    };
    let mut array = Array {
        device: device.trim().to_owned(),
        state: if is_active {
            State::Active
        } else {
            State::Inactive
        },
        active,
        failed: rest.matches("(F)").count() as u64,
        spare: rest.matches("(S)").count() as u64,
        required,
        blocks,
        blocks_synced: blocks,
    };
    let progress = details.iter().find_map(|line| {
        let states = [
            ("recovery", State::Recovering),
            ("resync", State::Resyncing),
            ("check", State::Checking),
            ("reshape", State::Recovering),
        ];
        let (_, state) = states.into_iter().find(|(word, _)| line.contains(word))?;
        Some((state, synced(line)))
    });
    if let Some((state, synced)) = progress {
        array.state = state;
        // Delayed or pending: nothing is synchronized yet.
        array.blocks_synced = synced.unwrap_or(0);
    }
    Some(array)
}

/// `[required/active]` of a status line.
fn counts(line: &str) -> Option<(u64, u64)> {
    line.split('[').skip(1).find_map(|part| {
        let (required, active) = part.split_once(']')?.0.split_once('/')?;
        Some((required.parse().ok()?, active.parse().ok()?))
    })
}

/// `(done/all)` of a progress line.
fn synced(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once('(')?;
    rest.split_once('/')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "\
Personalities : [raid1] [raid6] [raid0]
md0 : active raid1 sdc1[2](S) sdb1[1] sda1[0](F)
      1000 blocks super 1.2 [2/1] [_U]
      [==>..................]  recovery = 12.6% (126/1000) finish=1.0min speed=10K/sec
      bitmap: 0/1 pages [0KB], 65536KB chunk

md1 : active raid0 sde[1] sdd[0]
      2000 blocks super 1.2 512k chunks

md2 : inactive sdf[0](S)
      500 blocks super 1.2

md3 : active raid6 sdi[2] sdh[1] sdg[0]
      300 blocks level 6, 64k chunk, algorithm 2 [3/3] [UUU]
      \tresync=DELAYED

unused devices: <none>
";

    #[test]
    fn arrays_are_understood() {
        let arrays = parse(TEXT);
        let shown: Vec<String> = arrays
            .iter()
            .map(|array| {
                format!(
                    "{} {:?} {}/{} f{} s{} {}/{}",
                    array.device,
                    array.state,
                    array.active,
                    array.required,
                    array.failed,
                    array.spare,
                    array.blocks_synced,
                    array.blocks
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "md0 Recovering 1/2 f1 s1 126/1000",
                "md1 Active 2/2 f0 s0 2000/2000",
                "md2 Inactive 0/0 f0 s1 500/500",
                "md3 Resyncing 3/3 f0 s0 0/300",
            ]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_parsed(text in "(md[0-9] : (in)?active [a-z\\[\\]()F]{0,9}\n| +[0-9/\\[\\]()a-z]{0,20}\n|.){0,9}") {
            parse(&text);
        }
    }
}
