//! The flags of alerts and of who is told about them.

use std::time::Duration;

use clap::{ArgAction, Args};

use super::query::positive_number;
use crate::config::parse_duration;
use crate::notify::NotifyOptions;
use crate::rules::RuleOptions;

/// The flags of alerts and of who is told about them.
#[derive(Clone, Debug, Args)]
pub struct AlertArgs {
    /// How old the state of pending alerts may be to be restored after a restart.
    #[arg(
        long = "rules.alert.for-outage-tolerance",
        value_name = "DURATION",
        default_value = "1h",
        env = "SYSTEM_STATS_AGGREGATOR_RULES_ALERT_FOR_OUTAGE_TOLERANCE",
        value_parser = parse_duration
    )]
    outage_tolerance: Duration,

    /// How long a restored alert waits at least; rules with a shorter `for` are not restored.
    #[arg(
        long = "rules.alert.for-grace-period",
        value_name = "DURATION",
        default_value = "10m",
        env = "SYSTEM_STATS_AGGREGATOR_RULES_ALERT_FOR_GRACE_PERIOD",
        value_parser = parse_duration
    )]
    grace_period: Duration,

    /// How long after an Alertmanager was told of an alert it is told again.
    #[arg(
        long = "rules.alert.resend-delay",
        value_name = "DURATION",
        default_value = "1m",
        env = "SYSTEM_STATS_AGGREGATOR_RULES_ALERT_RESEND_DELAY",
        value_parser = parse_duration
    )]
    resend_delay: Duration,

    /// How many alerts may wait for an Alertmanager; beyond it the oldest are dropped.
    #[arg(
        long = "alertmanager.notification-queue-capacity",
        value_name = "NUMBER",
        default_value_t = 10_000,
        env = "SYSTEM_STATS_AGGREGATOR_ALERTMANAGER_NOTIFICATION_QUEUE_CAPACITY",
        value_parser = positive_number
    )]
    queue_capacity: usize,

    /// Whether what waits is delivered, for a few seconds at most, before the program ends.
    #[arg(
        long = "alertmanager.drain-notification-queue-on-shutdown",
        value_name = "BOOLEAN",
        default_value_t = true,
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true,
        action = ArgAction::Set,
        env = "SYSTEM_STATS_AGGREGATOR_ALERTMANAGER_DRAIN_NOTIFICATION_QUEUE_ON_SHUTDOWN"
    )]
    drains_at_stop: bool,
}

impl AlertArgs {
    /// How rules are evaluated.
    #[must_use]
    pub fn rules(&self) -> RuleOptions {
        RuleOptions {
            outage_tolerance: self.outage_tolerance,
            grace_period: self.grace_period,
            resend_delay: self.resend_delay,
        }
    }

    /// How Alertmanagers are told.
    #[must_use]
    pub fn notify(&self) -> NotifyOptions {
        NotifyOptions {
            queue_capacity: self.queue_capacity,
            drains_at_stop: self.drains_at_stop,
        }
    }
}
