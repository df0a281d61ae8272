//! A column with its presence: the values of one series in some rows of a clock.

use std::ops::Range;

use super::{decode, encode, encode_raw};
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

/// Appends a column of `cells`, ascending by row, of a clock of so many rows. `values` is room
/// that is used again.
pub(crate) fn encode_cells(cells: &[Cell], rows: usize, out: &mut Vec<u8>, values: &mut Vec<f64>) {
    encode_cells_as(Coding::Packed, cells, rows, out, values);
}

/// The same, with a choice.
pub(crate) fn encode_cells_as(
    coding: Coding,
    cells: &[Cell],
    rows: usize,
    out: &mut Vec<u8>,
    values: &mut Vec<f64>,
) {
    if cells.len() == rows {
        out.push(ALL_ROWS);
    } else {
        // A gap in a list costs a byte or two.
        let listed = cells.len() * 2;
        if listed < rows / 8 {
            out.push(LIST);
            write_len(out, cells.len());
            let mut next = 0;
            for &(row, _) in cells {
                write_len(out, (row - next) as usize);
                next = row + 1;
            }
        } else {
            out.push(BITMAP);
            let from = out.len();
            out.resize(from + rows.div_ceil(8), 0);
            for &(row, _) in cells {
                out[from + row as usize / 8] |= 1 << (row % 8);
            }
        }
    }
    values.clear();
    values.extend(cells.iter().map(|&(_, value)| value));
    match coding {
        Coding::Packed => encode(values, out),
        Coding::Raw => encode_raw(values, out),
    }
}

/// Appends a column's values, and calls `present` with runs of the rows that have one, ascending.
///
/// # Errors
/// On bytes that [`encode_cells`] did not write for a clock of so many rows; at most `rows`
/// values have been appended then.
pub(crate) fn decode_cells(
    bytes: &[u8],
    rows: usize,
    values: &mut Vec<f64>,
    present: &mut impl FnMut(Range<u32>),
) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
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
    decode(reader.take(reader.remaining())?, count, values)
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
            decode_cells(&out, rows, &mut values, &mut |rows| at.extend(rows)).unwrap();
            let back: Vec<(u32, u64)> =
                at.into_iter().zip(values.iter().map(|value| value.to_bits())).collect();
            prop_assert_eq!(back, cells);
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..80),
            kind in 0u8..4,
            rows in 0usize..500,
        ) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = kind;
            }
            let (mut present, mut values) = (0, Vec::new());
            let decoded = decode_cells(&bytes, rows, &mut values, &mut |rows| present += rows.len());
            prop_assert!(present <= rows && values.len() <= rows);
            prop_assert!(decoded.is_err() || values.len() == present);
        }
    }
}
