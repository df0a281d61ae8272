//! The flag of the rollups.

use std::time::Duration;

use system_stats_storage::store::Tier;

use crate::config::parse_duration;

/// Tiers and how long each is kept; zero is for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rollups(pub(super) Vec<(Tier, Duration)>);

/// Reads `5m:180d,1h:3y`; nothing at all is no rollups.
pub(super) fn parse(text: &str) -> Result<Rollups, String> {
    let mut rollups = Vec::new();
    for part in text.split(',').filter(|_| !text.is_empty()) {
        let Some((resolution, retention)) = part.split_once(':') else {
            return Err(format!(
                "no retention in {part:?}; write a resolution and a duration like 5m:180d"
            ));
        };
        let tier = match resolution {
            "5m" => Tier::FiveMinutes,
            "1h" => Tier::Hour,
            _ => return Err(format!("unknown resolution in {part:?}; use 5m or 1h")),
        };
        if rollups.iter().any(|(known, _)| *known == tier) {
            return Err(format!("{resolution} twice in {text:?}; write it once"));
        }
        rollups.push((tier, parse_duration(retention)?));
    }
    Ok(Rollups(rollups))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolutions_with_their_retention() {
        let day = Duration::from_hours(24);
        let cases = [
            (
                "5m:180d,1h:3y",
                Ok(vec![
                    (Tier::FiveMinutes, 180 * day),
                    (Tier::Hour, 3 * 365 * day),
                ]),
            ),
            ("1h:0", Ok(vec![(Tier::Hour, Duration::ZERO)])),
            ("", Ok(Vec::new())),
            (
                "5m",
                Err("no retention in \"5m\"; write a resolution and a duration like 5m:180d"),
            ),
            (
                "2m:1d",
                Err("unknown resolution in \"2m:1d\"; use 5m or 1h"),
            ),
            (
                "5m:1d,5m:2d",
                Err("5m twice in \"5m:1d,5m:2d\"; write it once"),
            ),
            (
                "5m:3x",
                Err("unknown unit in \"3x\"; use ms, s, m, h, d, w or y"),
            ),
        ];
        for (text, expected) in cases {
            let expected = expected.map(Rollups).map_err(str::to_owned);
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
