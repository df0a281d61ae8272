/// How the elements of two vectors find each other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VectorMatching {
    /// How many elements may meet on each side.
    pub cardinality: Cardinality,
    /// Whether `labels` are those of `on`; otherwise of `ignoring`.
    pub on: bool,
    /// The labels of `on` or `ignoring`, as written.
    pub labels: Vec<String>,
    /// The labels of `group_left` or `group_right`: copied from the side with one element.
    pub include: Vec<String>,
    /// What stands in for elements without a partner.
    pub fill: Fill,
}

/// How many elements of either side may belong to one group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Cardinality {
    /// At most one on each side.
    #[default]
    OneToOne,
    /// Many on the left: `group_left`.
    ManyToOne,
    /// Many on the right: `group_right`.
    OneToMany,
    /// Any number, which is for set operators.
    ManyToMany,
}

impl Cardinality {
    /// `one-to-one` and so on.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OneToOne => "one-to-one",
            Self::ManyToOne => "many-to-one",
            Self::OneToMany => "one-to-many",
            Self::ManyToMany => "many-to-many",
        }
    }
}

/// Values for the elements that one side lacks: `fill`, `fill_left`, `fill_right`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Fill {
    /// Stands in for what is missing on the left.
    pub left: Option<f64>,
    /// Stands in for what is missing on the right.
    pub right: Option<f64>,
}
