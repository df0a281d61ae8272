//! `/proc/stat`.

/// Clock ticks a second that the kernel counts processor time in (`USER_HZ`): 100 on every
/// architecture that Rust runs on.
pub(crate) const TICKS_PER_SECOND: f64 = 100.0;

/// What one processor, or all together, spent its time with, in ticks since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CpuTimes {
    pub(crate) user: u64,
    pub(crate) nice: u64,
    pub(crate) system: u64,
    pub(crate) idle: u64,
    pub(crate) iowait: u64,
    pub(crate) irq: u64,
    pub(crate) softirq: u64,
    pub(crate) steal: u64,
    /// Part of `user`.
    pub(crate) guest: u64,
    /// Part of `nice`.
    pub(crate) guest_nice: u64,
}

impl CpuTimes {
    fn parse<'a>(fields: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut ticks = [0; 10];
        let mut count = 0;
        for (slot, field) in ticks.iter_mut().zip(fields) {
            *slot = field.parse().ok()?;
            count += 1;
        }
        let [
            user,
            nice,
            system,
            idle,
            iowait,
            irq,
            softirq,
            steal,
            guest,
            guest_nice,
        ] = ticks;
        (count >= 4).then_some(Self {
            user,
            nice,
            system,
            idle,
            iowait,
            irq,
            softirq,
            steal,
            guest,
            guest_nice,
        })
    }

    fn busy(&self) -> u64 {
        // Guest time is in `user` and `nice` already.
        [
            self.user,
            self.nice,
            self.system,
            self.irq,
            self.softirq,
            self.steal,
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
    }

    /// The busy share, 0-100, of the time between an earlier reading and this one: everything
    /// but idle and iowait. A counter that ran backwards counts as standing still. `None` if no
    /// time passed.
    pub(crate) fn busy_percent_since(&self, earlier: &Self) -> Option<f64> {
        let since = |get: fn(&Self) -> u64| get(self).saturating_sub(get(earlier));
        let passed = Self {
            user: since(|times| times.user),
            nice: since(|times| times.nice),
            system: since(|times| times.system),
            idle: since(|times| times.idle),
            iowait: since(|times| times.iowait),
            irq: since(|times| times.irq),
            softirq: since(|times| times.softirq),
            steal: since(|times| times.steal),
            guest: 0,
            guest_nice: 0,
        };
        let busy = passed.busy();
        let total = busy
            .saturating_add(passed.idle)
            .saturating_add(passed.iowait);
        (total > 0).then(|| busy as f64 / total as f64 * 100.0)
    }
}

/// The parts of `/proc/stat` that are used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stat {
    /// All processors together.
    pub(crate) total: Option<CpuTimes>,
    /// Each processor that is online, by its number.
    pub(crate) cpus: Vec<(u32, CpuTimes)>,
    /// Interrupts served since boot.
    pub(crate) interrupts: Option<u64>,
    /// Context switches since boot.
    pub(crate) context_switches: Option<u64>,
    /// Seconds since 1970 at boot.
    pub(crate) boot_time: Option<u64>,
    /// Processes and threads created since boot.
    pub(crate) forks: Option<u64>,
    pub(crate) procs_running: Option<u64>,
    pub(crate) procs_blocked: Option<u64>,
}

impl Stat {
    pub(crate) fn parse(text: &str) -> Self {
        let mut stat = Self::default();
        for line in text.lines() {
            let mut fields = line.split_ascii_whitespace();
            let Some(key) = fields.next() else { continue };
            if let Some(number) = key.strip_prefix("cpu") {
                let times = CpuTimes::parse(fields);
                match (number.parse(), times) {
                    (Ok(number), Some(times)) => stat.cpus.push((number, times)),
                    (Err(_), Some(times)) if number.is_empty() => stat.total = Some(times),
                    _ => {}
                }
                continue;
            }
            let slot = match key {
                "intr" => &mut stat.interrupts,
                "ctxt" => &mut stat.context_switches,
                "btime" => &mut stat.boot_time,
                "processes" => &mut stat.forks,
                "procs_running" => &mut stat.procs_running,
                "procs_blocked" => &mut stat.procs_blocked,
                _ => continue,
            };
            *slot = fields.next().and_then(|value| value.parse().ok());
        }
        stat
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "cpu  10 1 5 80 4 0 0 0 2 0\ncpu0 10 1 5 80 4 0 0 0 2 0\ncpu1 x\n\
                        intr 77 1 2\nctxt 5\nbtime 1700000000\nprocesses 9\nprocs_running 1\n\
                        procs_blocked nonsense\n";

    #[test]
    fn sense_is_kept_and_nonsense_left_out() {
        let stat = Stat::parse(TEXT);
        assert_eq!(stat.cpus.len(), 1);
        assert_eq!(stat.total.unwrap().guest, 2);
        assert_eq!(stat.interrupts, Some(77));
        assert_eq!(stat.boot_time, Some(1_700_000_000));
        assert_eq!(stat.procs_blocked, None);
    }

    #[test]
    fn busy_is_all_but_idle_and_iowait_and_guests_count_once() {
        let earlier = Stat::parse("cpu 10 0 0 80 10 0 0 0 0 0").total.unwrap();
        let later = Stat::parse("cpu 30 0 10 140 20 0 0 0 20 0").total.unwrap();
        let percent = later.busy_percent_since(&earlier).unwrap();
        assert!((percent - 30.0).abs() < 1e-9, "{percent}");
        assert_eq!(later.busy_percent_since(&later), None);
        // Idle ran backwards: only the busy part moved.
        let odd = Stat::parse("cpu 40 0 10 130 20 0 0 0 20 0").total.unwrap();
        assert_eq!(odd.busy_percent_since(&later), Some(100.0));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed(text in "(cpu|intr|btime|ctxt)?[0-9]{0,3}( [0-9a-z-]{1,21}){0,12}\n?.*") {
            let stat = Stat::parse(&text);
            let percent =
                stat.total.and_then(|total| total.busy_percent_since(&CpuTimes::default()));
            prop_assert!(percent.is_none_or(|percent| (0.0..=100.0).contains(&percent)));
        }
    }
}
