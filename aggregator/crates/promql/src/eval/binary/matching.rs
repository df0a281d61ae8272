use super::super::naming::{Numbering, Projection};
use crate::ast::VectorMatching;
use crate::value::Columns;

/// Which series of two sides belong together, worked out once from their labels.
pub(super) struct Matches {
    /// The number of each left series' group.
    pub(super) left: Vec<usize>,
    /// The number of each right series' group.
    pub(super) right: Vec<usize>,
    /// How many groups there are.
    pub(super) groups: usize,
}

/// The labels that `matching` compares.
pub(super) fn projection(matching: &VectorMatching) -> Projection {
    if matching.on {
        Projection::by(&matching.labels)
    } else {
        Projection::without(&matching.labels)
    }
}

impl Matches {
    pub(super) fn of(matching: &VectorMatching, left: &Columns, right: &Columns) -> Self {
        let projection = projection(matching);
        let mut numbers = Numbering::default();
        let mut key = Vec::new();
        let mut numbered = |side: &Columns| {
            let number = |labels| {
                projection.key(labels, false, &mut key);
                numbers.number(&key).0
            };
            side.labels().iter().map(number).collect()
        };
        let (left, right) = (numbered(left), numbered(right));
        Self {
            left,
            right,
            groups: numbers.len(),
        }
    }
}

/// The series of each group, in their order.
pub(super) fn members(groups: usize, of: &[usize]) -> Vec<Vec<usize>> {
    let mut members = vec![Vec::new(); groups];
    for (series, group) in of.iter().enumerate() {
        members[*group].push(series);
    }
    members
}
