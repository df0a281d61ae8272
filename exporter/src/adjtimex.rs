//! The kernel's clock discipline, `adjtimex(2)`: a system call that no safe crate offers.

#![expect(
    unsafe_code,
    reason = "adjtimex is only reachable through libc, with a struct that the kernel fills"
)]

use std::io;

/// `STA_NANO`: sub-second fields are in nanoseconds, not microseconds.
const STA_NANO: i32 = 0x2000;

/// What the kernel knows of its clock, as it says it (`adjtimex(2)` has the units).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Timex {
    /// `TIME_OK`, …, `TIME_ERROR` (5): the clock is not synchronized.
    pub(crate) state: i32,
    pub(crate) status: i32,
    /// How far the clock is off, in seconds.
    pub(crate) offset_seconds: f64,
}

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
        1e-6
    } else {
        1e-9
    };
    Ok(Timex {
        state,
        status: timex.status,
        offset_seconds: timex.offset as f64 * fraction,
    })
}
