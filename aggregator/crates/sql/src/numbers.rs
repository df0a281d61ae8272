//! Numbers as databases have them: with a sign.

pub(crate) fn signed(number: u64) -> i64 {
    number.cast_signed()
}

pub(crate) fn signed_size(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn size(rows: u64) -> usize {
    usize::try_from(rows).unwrap_or(usize::MAX)
}
