//! Fleets that are not there: what many hosts would expose, made from one host's record.
//!
//! * [`Trace`] - some series over some scrapes: recorded from a real exporter, or invented
//! * [`invented`] - a trace of a host as `node_exporter` shows one
//! * [`Host`] - one of many hosts that all descend from one trace and are all different

mod file;
mod host;
mod invent;
mod record;

pub use file::TraceError;
pub use host::Host;
pub use invent::invented;
pub use record::compact;

/// The values of some series at some moments.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// When the scrapes were, in milliseconds since 1970, ascending.
    pub times: Vec<i64>,
    /// The series, in the order of the exposition.
    pub series: Vec<Track>,
}

/// One series of a trace.
#[derive(Clone, Debug)]
pub struct Track {
    /// Name and labels as exposed.
    pub text: String,
    /// Whether the exporter calls it a counter.
    pub is_counter: bool,
    /// A value for each scrape; none where the series was missing.
    pub values: Vec<Option<f64>>,
}

/// Values are equal when their bits are.
impl PartialEq for Track {
    fn eq(&self, other: &Self) -> bool {
        let bits = |track: &Self| -> Vec<Option<u64>> {
            track.values.iter().map(|v| v.map(f64::to_bits)).collect()
        };
        self.text == other.text && self.is_counter == other.is_counter && bits(self) == bits(other)
    }
}

/// Decimal digits behind the point that are looked at.
const MOST_DIGITS: u8 = 10;

/// The fewest digits behind the point with which all values are whole numbers, if there are such.
fn digits(mut values: impl Iterator<Item = f64> + Clone) -> Option<u8> {
    let fitting = |from, value| (from..=MOST_DIGITS).find(|&at| scaled(value, at).is_some());
    let digits = values.clone().try_fold(0, fitting)?;
    // With more digits a large value may not fit any more.
    let all_fit = values.all(|value| scaled(value, digits).is_some());
    all_fit.then_some(digits)
}

/// The value without its point, if that gives every bit of it back.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a whole number within ±2^53"
)]
fn scaled(value: f64, digits: u8) -> Option<i64> {
    let whole = (value * 10_f64.powi(digits.into())).round();
    let is_exact = whole.abs() <= (1_u64 << 53) as f64
        && unscaled(whole as i64, digits).to_bits() == value.to_bits();
    is_exact.then_some(whole as i64)
}

fn unscaled(whole: i64, digits: u8) -> f64 {
    whole as f64 / 10_f64.powi(digits.into())
}
