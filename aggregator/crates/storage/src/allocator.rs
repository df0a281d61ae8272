//! What the allocator keeps, given back to the system.
//!
//! Memory that a fold has left lies between what stays, in every arena of glibc, which by itself
//! gives back only what is at an arena's end.

#![cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(
        unsafe_code,
        reason = "malloc_trim is only reachable through the C library"
    )
)]

/// Gives whole pages that nothing is in back to the system. Takes milliseconds.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn give_back() {
    unsafe extern "C" {
        fn malloc_trim(pad: usize) -> std::ffi::c_int;
    }
    // SAFETY: `malloc_trim(3)` may be called by any thread at any time, and touches nothing that
    // is in use.
    unsafe { malloc_trim(0) };
}

/// Other allocators do it by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_back() {}
