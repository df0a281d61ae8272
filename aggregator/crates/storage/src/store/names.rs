//! Names of series as a start reads them: thousands at once, none of them a value of its own.

use super::SeriesRow;

/// The name of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesName<'a> {
    /// The series.
    pub id: u64,
    /// The target it belongs to.
    pub target: u64,
    /// Whether the target's labels belong to it too.
    pub inherits: bool,
    /// Its own labels, as [`encoded`](system_stats_model::labels::Labels::encoded) writes them; nobody has looked at them yet.
    pub labels: &'a str,
}

/// Names of series, ascending by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesNames {
    rows: Vec<Row>,
    /// The labels of all rows, one after the other.
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    id: u64,
    target: u64,
    inherits: bool,
    /// Where its labels end.
    end: usize,
}

impl SeriesNames {
    /// Names whose labels are in one text: of each its id, its target, and twice the length of its
    /// labels in bytes, one more if it inherits. None if the text is not as long as they say.
    #[must_use]
    pub fn in_text(text: String, rows: impl Iterator<Item = [u64; 3]>) -> Option<Self> {
        let mut end = 0usize;
        let row = |[id, target, size]: [u64; 3]| {
            end = end.checked_add(usize::try_from(size >> 1).ok()?)?;
            let inherits = size & 1 == 1;
            text.is_char_boundary(end).then_some(Row {
                id,
                target,
                inherits,
                end,
            })
        };
        let rows: Vec<Row> = rows.map(row).collect::<Option<_>>()?;
        (end == text.len()).then_some(Self { rows, text })
    }

    /// Adds one behind the others.
    pub fn push(&mut self, row: &SeriesRow) {
        self.text.push_str(row.labels.encoded());
        self.rows.push(Row {
            id: row.id,
            target: row.target,
            inherits: row.inherits,
            end: self.text.len(),
        });
    }

    /// The highest id.
    #[must_use]
    pub fn last(&self) -> Option<u64> {
        self.rows.iter().map(|row| row.id).max()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = SeriesName<'_>> {
        let mut start = 0;
        self.rows.iter().map(move |row| {
            let labels = self.text.get(start..row.end).unwrap_or_default();
            start = row.end;
            SeriesName {
                id: row.id,
                target: row.target,
                inherits: row.inherits,
                labels,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_as_long_as_its_parts_or_refused() {
        let names = |text: &str, sizes: &[u64]| {
            let rows = (1..).zip(sizes).map(|(id, &size)| [id, 7, size]);
            SeriesNames::in_text(text.to_owned(), rows)
        };
        let found = names("abcde", &[4, 1, 7]).unwrap();
        let found: Vec<_> = found.iter().map(|n| (n.id, n.inherits, n.labels)).collect();
        assert_eq!(found, [(1, false, "ab"), (2, true, ""), (3, true, "cde")]);
        for (text, sizes) in [
            ("abc", &[4u64][..]),
            ("abc", &[8]),
            ("\u{e4}", &[2, 2]),
            ("abc", &[6, u64::MAX]),
        ] {
            assert_eq!(names(text, sizes), None, "{text} {sizes:?}");
        }
    }
}
