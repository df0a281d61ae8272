use system_stats_wire::{SystemStats, Uptime};

use crate::clock;
use crate::host::Host;

pub(super) fn fill(host: &mut Host, stats: &mut SystemStats) {
    let now = clock::unix_seconds(host.now());
    let boot = host.boot_time();
    stats.uptime = boot.map_or_else(Uptime::default, |boot| uptime(now, boot));
}

fn uptime(now: f64, boot: u64) -> Uptime {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the conversion saturates: a clock before the boot gives zero"
    )]
    let seconds = (now - boot as f64) as u64;
    Uptime {
        seconds: Some(seconds),
        boot_time: Some(clock::iso8601_seconds(boot)),
        human: Some(human(seconds)),
    }
}

fn human(seconds: u64) -> String {
    let minutes = seconds / 60;
    format!(
        "{}d {}h {}m",
        minutes / (24 * 60),
        minutes / 60 % 24,
        minutes % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_parts_are_always_there() {
        assert_eq!(human(0), "0d 0h 0m");
        assert_eq!(human(3 * 86_400 + 4 * 3_600 + 12 * 60 + 59), "3d 4h 12m");
    }

    #[test]
    fn a_clock_before_the_boot_is_no_time_at_all() {
        assert_eq!(uptime(5.0, 10).seconds, Some(0));
        assert_eq!(uptime(12.9, 10).seconds, Some(2));
        assert_eq!(
            uptime(1e9, 0).boot_time.unwrap(),
            "1970-01-01T00:00:00+00:00"
        );
    }
}
