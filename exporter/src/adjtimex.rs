//! The kernel's clock discipline, `adjtimex(2)`: a system call that no safe crate offers.

#![cfg_attr(
    target_os = "linux",
    expect(
        unsafe_code,
        reason = "adjtimex is only reachable through libc, with a struct that the kernel fills"
    )
)]

/// What the kernel knows of its clock, in seconds and hertz.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Timex {
    pub(crate) is_synchronized: bool,
    /// The bits of `status`.
    pub(crate) status: i32,
    /// How far the clock is off.
    pub(crate) offset_seconds: f64,
    /// 1 when the clock is let run as it does.
    pub(crate) frequency_ratio: f64,
    pub(crate) max_error_seconds: f64,
    pub(crate) estimated_error_seconds: f64,
    pub(crate) loop_time_constant: f64,
    pub(crate) tick_seconds: f64,
    pub(crate) tai_offset_seconds: i32,
    pub(crate) pps_frequency_hertz: f64,
    pub(crate) pps_jitter_seconds: f64,
    pub(crate) pps_shift_seconds: f64,
    pub(crate) pps_stability_hertz: f64,
    pub(crate) pps_jitter_count: f64,
    pub(crate) pps_calibration_count: f64,
    pub(crate) pps_error_count: f64,
    pub(crate) pps_stability_count: f64,
}

/// Other kernels are not asked.
#[cfg(not(target_os = "linux"))]
pub(crate) fn read() -> std::io::Result<Timex> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(target_os = "linux")]
pub(crate) use linux::read;

#[cfg(target_os = "linux")]
mod linux {
    use std::io;

    use super::Timex;

    /// `STA_NANO`: sub-second fields are in nanoseconds, not microseconds.
    const STA_NANO: i32 = 0x2000;
    /// `TIME_ERROR`: the clock is not synchronized.
    const TIME_ERROR: i32 = 5;
    const MICRO: f64 = 1e-6;
    /// Frequencies are in parts per million with 16 bits behind the point.
    const SCALED_PPM: f64 = 65_536.0 * 1e6;

    /// Asks without changing anything, which needs no privilege.
    pub(crate) fn read() -> io::Result<Timex> {
        // SAFETY: the struct is made of integers only, for all of which zero is a value; zero in
        // `modes` means that nothing is set.
        let mut timex: libc::timex = unsafe { std::mem::zeroed() };
        // SAFETY: the pointer is to a `timex` that lives across the call and that nobody else has.
        let state = unsafe { libc::adjtimex(&raw mut timex) };
        if state < 0 {
            return Err(io::Error::last_os_error());
        }
        let fraction = if timex.status & STA_NANO == 0 {
            MICRO
        } else {
            1e-9
        };
        Ok(Timex {
            is_synchronized: state != TIME_ERROR,
            status: timex.status,
            offset_seconds: timex.offset as f64 * fraction,
            frequency_ratio: 1.0 + timex.freq as f64 / SCALED_PPM,
            max_error_seconds: timex.maxerror as f64 * MICRO,
            estimated_error_seconds: timex.esterror as f64 * MICRO,
            loop_time_constant: timex.constant as f64,
            tick_seconds: timex.tick as f64 * MICRO,
            tai_offset_seconds: timex.tai,
            pps_frequency_hertz: timex.ppsfreq as f64 / SCALED_PPM,
            pps_jitter_seconds: timex.jitter as f64 * fraction,
            pps_shift_seconds: f64::from(timex.shift),
            pps_stability_hertz: timex.stabil as f64 / SCALED_PPM,
            pps_jitter_count: timex.jitcnt as f64,
            pps_calibration_count: timex.calcnt as f64,
            pps_error_count: timex.errcnt as f64,
            pps_stability_count: timex.stbcnt as f64,
        })
    }
}
