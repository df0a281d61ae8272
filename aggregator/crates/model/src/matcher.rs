//! Label matchers: `=`, `!=`, `=~` and `!~`, as PromQL has them.

mod choice;
mod re2;

use std::fmt;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use crate::labels::Labels;

/// The largest compiled regular expression, in bytes.
const REGEX_SIZE_LIMIT: usize = 10 << 20;

/// The most memory that matching may fill with what it has learned, in bytes. With less, choices
/// of hundreds of expressions are learned again and again.
const REGEX_CACHE_LIMIT: usize = 32 << 20;

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`, anchored at both ends
    Regex,
    /// `!~`, anchored at both ends
    NotRegex,
}

impl fmt::Display for MatchOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        })
    }
}

/// One condition on one label. An absent label has the value `""`.
#[derive(Clone, Debug)]
pub struct Matcher {
    name: String,
    op: MatchOp,
    value: String,
    pattern: Option<Pattern>,
}

/// What the value of a matcher with a regular expression means.
#[derive(Clone, Debug)]
enum Pattern {
    /// Any of these texts, ascending.
    Choices(Arc<[String]>),
    Regex(Regex),
}

impl Pattern {
    fn new(value: &str) -> Result<Self, String> {
        match choice::choices(value) {
            Some(choices) => Ok(Self::Choices(choices)),
            None => anchored(value).map(Self::Regex),
        }
    }

    fn matches(&self, value: &str) -> bool {
        match self {
            Self::Choices(choices) => {
                let found = choices.binary_search_by(|choice| choice.as_str().cmp(value));
                found.is_ok()
            }
            Self::Regex(regex) => regex.is_match(value),
        }
    }
}

/// The regular expression of a matcher cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[error("invalid regular expression {pattern:?} for label {name:?}: {reason}")]
pub struct InvalidMatcher {
    /// The label whose matcher it was.
    pub name: String,
    /// The expression as written.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Matcher {
    /// The matcher `name="value"`.
    #[must_use]
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            op: MatchOp::Equal,
            value: value.into(),
            pattern: None,
        }
    }

    /// Any matcher. Regular expressions are anchored at both ends and `.` matches a line break.
    ///
    /// # Errors
    /// [`InvalidMatcher`] when the expression does not compile or compiles to more than 10 MiB.
    pub fn new(
        name: impl Into<String>,
        op: MatchOp,
        value: impl Into<String>,
    ) -> Result<Self, InvalidMatcher> {
        let (name, value) = (name.into(), value.into());
        let pattern = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => match Pattern::new(&value) {
                Ok(pattern) => Some(pattern),
                Err(reason) => {
                    return Err(InvalidMatcher {
                        name,
                        pattern: value,
                        reason,
                    });
                }
            },
        };
        Ok(Self {
            name,
            op,
            value,
            pattern,
        })
    }

    /// The label it looks at.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it compares.
    #[must_use]
    pub fn op(&self) -> MatchOp {
        self.op
    }

    /// What it compares with.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether a label with this value (`""` when absent) satisfies it.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        match (&self.op, &self.pattern) {
            (MatchOp::Regex, Some(pattern)) => pattern.matches(value),
            (MatchOp::NotRegex, Some(pattern)) => !pattern.matches(value),
            (MatchOp::NotEqual, _) => self.value != value,
            _ => self.value == value,
        }
    }

    /// Whether a label set satisfies it.
    #[must_use]
    pub fn matches_labels(&self, labels: &Labels) -> bool {
        self.matches(labels.get(&self.name).unwrap_or_default())
    }
}

/// Two matchers are equal when they are written alike.
impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.op == other.op && self.name == other.name && self.value == other.value
    }
}

impl Eq for Matcher {}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{:?}", self.name, self.op, self.value)
    }
}

/// A regular expression of RE2's syntax as the text of the same one for the `regex` crate: matching
/// the whole value only, a dot matching line breaks, groups numbered as written.
///
/// # Errors
/// What is wrong with the expression, in one line.
pub fn anchored_pattern(pattern: &str) -> Result<String, String> {
    let pattern = re2::translate(pattern)?;
    // By itself first: `a)|(b` is an expression only inside of the group.
    compile(&pattern)?;
    Ok(format!("^(?s:{pattern})$"))
}

pub(crate) fn anchored(pattern: &str) -> Result<Regex, String> {
    compile(&anchored_pattern(pattern)?)
}

fn compile(pattern: &str) -> Result<Regex, String> {
    let regex = RegexBuilder::new(pattern)
        .size_limit(REGEX_SIZE_LIMIT)
        .dfa_size_limit(REGEX_CACHE_LIMIT)
        .build();
    regex.map_err(|error| {
        // The lines before show the expression, which the caller does too.
        let message = error.to_string();
        let last = message.lines().last().unwrap_or_default();
        last.trim_start_matches("error: ").to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operator_against_values() {
        let cases = [
            (MatchOp::Equal, "a", "a", true),
            (MatchOp::Equal, "a", "b", false),
            (MatchOp::Equal, "", "", true),
            (MatchOp::NotEqual, "a", "", true),
            (MatchOp::Regex, "a|b", "b", true),
            (MatchOp::Regex, "a|b", "ab", false),
            (MatchOp::Regex, "a.b", "a\nb", true),
            (MatchOp::Regex, ".*", "", true),
            (MatchOp::NotRegex, "a.*", "abc", false),
            (MatchOp::NotRegex, "a.*", "bc", true),
            (MatchOp::Regex, "(a|b.c)", "bxc", true),
            (MatchOp::Regex, "(a|b\\.c)", "bxc", false),
            (MatchOp::Regex, "(a|b\\.c)", "b.c", true),
            (MatchOp::NotRegex, "a|", "", false),
        ];
        for (op, pattern, value, expected) in cases {
            let matcher = Matcher::new("l", op, pattern).unwrap();
            assert_eq!(
                matcher.matches(value),
                expected,
                "{matcher} against {value:?}"
            );
        }
    }

    #[test]
    fn a_bad_expression_names_itself() {
        let error = Matcher::new("job", MatchOp::Regex, "a(").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("invalid regular expression \"a(\" for label \"job\"")
        );
    }

    #[test]
    fn an_expression_cannot_leave_its_anchors() {
        for pattern in ["a)|(b", "a)(?:b", ")|("] {
            let error = Matcher::new("l", MatchOp::Regex, pattern).unwrap_err();
            assert!(error.reason.contains("unopened group"), "{error}");
        }
    }

    #[test]
    fn an_absent_label_is_empty() {
        let labels = Labels::from_pairs([("a", "1")]);
        assert!(Matcher::equal("b", "").matches_labels(&labels));
        assert!(!Matcher::equal("a", "").matches_labels(&labels));
    }

    #[test]
    fn a_choice_may_be_long() {
        let names: Vec<String> = (0..50_000).map(|n| format!("host-{n}\\.example")).collect();
        let matcher = Matcher::new("l", MatchOp::Regex, names.join("|")).unwrap();
        assert!(matcher.matches("host-49999.example"));
        assert!(!matcher.matches("host-50000.example"));
    }
}
