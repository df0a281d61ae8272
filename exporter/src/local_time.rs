//! The time zone of this host, `localtime_r(3)`: the C library knows where zones are kept.

#![expect(
    unsafe_code,
    reason = "localtime_r is only reachable through libc, with a struct that it fills"
)]

use std::ffi::CStr;

/// The zone's abbreviation and its offset from UTC in seconds at that time; `None` if the C
/// library cannot tell.
pub(crate) fn zone(unix_seconds: i64) -> Option<(String, i64)> {
    let time = libc::time_t::from(unix_seconds);
    // SAFETY: the struct is made of integers and a pointer, for all of which zero is a value.
    let mut fields: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to values that live across the call and that nobody else has.
    let filled = unsafe { libc::localtime_r(&raw const time, &raw mut fields) };
    if filled.is_null() || fields.tm_zone.is_null() {
        return None;
    }
    // SAFETY: after a successful call `tm_zone` points to text that ends with a zero byte and
    // stays valid until the zone is set anew, which only `tzset` does; it is copied at once.
    let name = unsafe { CStr::from_ptr(fields.tm_zone) };
    Some((name.to_string_lossy().into_owned(), fields.tm_gmtoff))
}
