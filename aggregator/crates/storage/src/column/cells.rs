//! A column with its presence: the values of one series in some rows of a clock.

use std::ops::Range;

use super::{CONST_BITS, CONST_INTEGER, decode, encode, encode_raw, encode_split};
use crate::varint::{Malformed, Reader, write_len};

/// How the rows in which a column has a value are written.
const ALL_ROWS: u8 = 0;
const BITMAP: u8 = 1;
const LIST: u8 = 2;

/// One sample of a column: which row of the clock, and the value.
pub(crate) type Cell = (u32, f64);

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Packed,
    Raw,
}

/// A column as it is stored: what is compressed with others, and bits that are not. One that is
/// stored by itself has no such bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts<'a> {
    pub(crate) body: &'a [u8],
    pub(crate) bits: &'a [u8],
}

impl<'a> From<&'a [u8]> for Parts<'a> {
    fn from(body: &'a [u8]) -> Self {
        Self { body, bits: &[] }
    }
}

/// Appends a column of `cells`, ascending by row, of a clock of so many rows. `values` is room
/// that is used again.
pub(crate) fn encode_cells(cells: &[Cell], rows: usize, out: &mut Vec<u8>, values: &mut Vec<f64>) {
    write_presence(cells.iter().map(|cell| cell.0), rows, out);
    values.clear();
    values.extend(cells.iter().map(|&(_, value)| value));
    encode(values, out);
}

/// Appends a column that has a value in every row. Where all are the same one of them says it.
pub(crate) fn encode_whole(values: &[f64], out: &mut Vec<u8>) {
    out.push(ALL_ROWS);
    encode(values, out);
}

/// Whether a column has a value in every row.
pub(crate) fn is_whole(column: &[u8]) -> bool {
    column.first() == Some(&ALL_ROWS)
}

/// Whether it has the same one everywhere. Two such columns have that in common if and only if
/// their bytes are the same, however many rows they have.
pub(crate) fn is_constant(column: &[u8]) -> bool {
    matches!(column, [ALL_ROWS, CONST_INTEGER | CONST_BITS, ..])
}

/// Appends a column to the two parts of a group: as many values as rows, ascending, of a clock that
/// has `all`.
pub(crate) fn encode_parts(
    coding: Coding,
    (rows, all): (&[u32], usize),
    values: &[f64],
    body: &mut Vec<u8>,
    bits: &mut Vec<u8>,
) {
    write_presence(rows.iter().copied(), all, body);
    match coding {
        Coding::Packed => encode_split(values, body, bits),
        Coding::Raw => encode_raw(values, body),
    }
}

fn write_presence(present: impl ExactSizeIterator<Item = u32>, rows: usize, out: &mut Vec<u8>) {
    let count = present.len();
    if count == rows {
        out.push(ALL_ROWS);
        return;
    }
    // A gap in a list costs a byte or two.
    let listed = count * 2;
    if listed < rows / 8 {
        out.push(LIST);
        write_len(out, count);
        let mut next = 0;
        for row in present {
            write_len(out, (row - next) as usize);
            next = row + 1;
        }
    } else {
        out.push(BITMAP);
        let from = out.len();
        out.resize(from + rows.div_ceil(8), 0);
        for row in present {
            out[from + row as usize / 8] |= 1 << (row % 8);
        }
    }
}

/// Appends a column's values, and calls `present` with runs of the rows that have one, ascending.
///
/// # Errors
/// On bytes that [`encode_cells`] or [`encode_parts`] did not write for a clock of so many rows; at most `rows`
/// values have been appended then.
pub(crate) fn decode_cells(
    column: Parts<'_>,
    rows: usize,
    values: &mut Vec<f64>,
    present: &mut impl FnMut(Range<u32>),
) -> Result<(), Malformed> {
    let mut reader = Reader::new(column.body);
    let rows = u32::try_from(rows).map_err(|_| Malformed("too many rows"))?;
    let count = match reader.u8()? {
        ALL_ROWS => {
            present(0..rows);
            rows as usize
        }
        BITMAP => {
            let bitmap = reader.take(rows.div_ceil(8) as usize)?;
            let is_set = |row: &u32| bitmap[*row as usize / 8] & (1 << (row % 8)) != 0;
            let mut count = 0;
            (0..rows).filter(is_set).for_each(|row| {
                count += 1;
                present(row..row + 1);
            });
            count
        }
        LIST => {
            let count = reader.count()?;
            let mut next = 0u32;
            for _ in 0..count {
                let row = next.checked_add(reader.u32()?).filter(|row| *row < rows);
                let row = row.ok_or(Malformed("a row past the end"))?;
                next = row + 1;
                present(row..next);
            }
            count
        }
        _ => return Err(Malformed("an unknown kind of presence")),
    };
    decode(reader.take(reader.remaining())?, column.bits, count, values)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn cells_come_back(
            rows in 1usize..600,
            bits in prop::collection::vec(any::<(u16, u64)>(), 1..200),
        ) {
            let mut cells: Vec<(u32, u64)> = bits.iter()
                .map(|&(row, bits)| (u32::from(row) % u32::try_from(rows).unwrap(), bits))
                .collect();
            cells.sort_by_key(|cell| cell.0);
            cells.dedup_by_key(|cell| cell.0);
            let floats: Vec<Cell> = cells.iter().map(|&(row, v)| (row, f64::from_bits(v))).collect();
            let mut out = Vec::new();
            encode_cells(&floats, rows, &mut out, &mut Vec::new());
            let (mut at, mut values) = (Vec::new(), Vec::new());
            decode_cells(Parts::from(&*out), rows, &mut values, &mut |rows| at.extend(rows)).unwrap();
            let back: Vec<(u32, u64)> =
                at.into_iter().zip(values.iter().map(|value| value.to_bits())).collect();
            prop_assert_eq!(&back, &cells);
            let (present, floats): (Vec<u32>, Vec<f64>) = floats.into_iter().unzip();
            for coding in [Coding::Packed, Coding::Raw] {
                let (mut body, mut bits) = (Vec::new(), Vec::new());
                encode_parts(coding, (&present, rows), &floats, &mut body, &mut bits);
                let (mut at, mut values) = (Vec::new(), Vec::new());
                let column = Parts { body: &body, bits: &bits };
                decode_cells(column, rows, &mut values, &mut |rows| at.extend(rows)).unwrap();
                let back = at.into_iter().zip(values.iter().map(|value| value.to_bits()));
                prop_assert_eq!(&back.collect::<Vec<_>>(), &cells);
            }
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..80),
            bits in prop::collection::vec(any::<u8>(), 0..80),
            kind in 0u8..4,
            rows in 0usize..500,
        ) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = kind;
            }
            let (mut present, mut values) = (0, Vec::new());
            let column = Parts { body: &bytes, bits: &bits };
            let decoded = decode_cells(column, rows, &mut values, &mut |rows| present += rows.len());
            prop_assert!(present <= rows && values.len() <= rows);
            prop_assert!(decoded.is_err() || values.len() == present);
        }
    }
}
