//! What of the alerts is asked for: the tab, the filter and the place in the history, all
//! of it in the address.

use serde::Serialize;
use system_stats_model::labels::Labels;

use super::super::super::params::Params;
use super::super::view::encoded;

/// The longest filter that is looked at, in characters.
pub(super) const MAX_FILTER: usize = 256;

/// The parts of the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Tab {
    #[default]
    Firing,
    Pending,
    Silenced,
    History,
    Reported,
    Rules,
}

impl Tab {
    pub(super) const ALL: [(Self, &'static str, &'static str); 6] = [
        (Self::Firing, "firing", "Firing"),
        (Self::Pending, "pending", "Pending"),
        (Self::Silenced, "silenced", "Silenced"),
        (Self::History, "history", "History"),
        (Self::Reported, "reported", "Reported"),
        (Self::Rules, "rules", "Rules"),
    ];

    fn named(name: &str) -> Self {
        let mut all = Self::ALL.into_iter();
        let named = all.find(|(_, own, _)| *own == name);
        named.map(|(tab, _, _)| tab).unwrap_or_default()
    }
}

/// What the address says.
#[derive(Clone, Debug, Default, Serialize)]
pub(in super::super) struct Asked {
    pub(super) tab: Tab,
    pub(super) filter: String,
    /// The filter as a further parameter, with its `&`; empty without one.
    filter_query: String,
    #[serde(skip)]
    terms: Vec<Term>,
    /// Where the page of the history begins; the newest without.
    pub(super) before: Option<String>,
}

/// What has to be so of whatever is shown; everything in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Term {
    Text(String),
    Label(String, String),
}

impl Asked {
    pub(in super::super) fn of(params: &Params) -> Self {
        let filter = params.get("q").unwrap_or_default();
        let filter: String = filter.chars().take(MAX_FILTER).collect();
        Self {
            tab: Tab::named(params.get("tab").unwrap_or_default()),
            terms: terms(&filter),
            filter_query: match filter.as_str() {
                "" => String::new(),
                filter => format!("&q={}", encoded(filter)),
            },
            filter,
            before: params.get("before").map(str::to_owned),
        }
    }

    /// Whether every term is part of one of the texts, or one of the labels or of the `more` pairs,
    /// in any case of letters.
    pub(super) fn picks(&self, texts: &[&str], labels: &Labels, more: &[(&str, &str)]) -> bool {
        self.terms.iter().all(|term| match term {
            Term::Text(text) => {
                let has = |said: &&str| said.to_lowercase().contains(text);
                texts.iter().any(has) || labels.iter().any(|(_, value)| has(&value))
            }
            Term::Label(name, value) => {
                let mut pairs = labels.iter().chain(more.iter().copied());
                pairs
                    .any(|(own, said)| own.to_lowercase() == *name && said.to_lowercase() == *value)
            }
        })
    }
}

/// The words of a filter; what stands in double quotes is one.
fn terms(filter: &str) -> Vec<Term> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for letter in filter.to_lowercase().chars() {
        match letter {
            '"' => is_quoted = !is_quoted,
            letter if letter.is_whitespace() && !is_quoted => words.push(String::new()),
            letter => {
                if let Some(word) = words.last_mut() {
                    word.push(letter);
                }
            }
        }
    }
    let term = |word: String| match word.split_once('=') {
        Some((name, value)) if !name.is_empty() => Term::Label(name.to_owned(), value.to_owned()),
        _ => Term::Text(word),
    };
    let words = words.into_iter().filter(|word| !word.is_empty());
    words.map(term).collect()
}

/// The filter that picks one label, as a parameter's value.
pub(in super::super) fn label_filter(name: &str, value: &str) -> String {
    let is_plain = !value.is_empty() && !value.contains(char::is_whitespace);
    let term = if is_plain {
        format!("{name}={value}")
    } else {
        format!("{name}=\"{value}\"")
    };
    encoded(&term)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(filter: &str) -> Asked {
        Asked::of(&Params::from_pairs(&[("q", filter)]))
    }

    #[test]
    fn a_filter_is_texts_and_labels() {
        let labels = Labels::from_pairs([
            ("alertname", "DiskFull"),
            ("instance", "web-1"),
            ("mountpoint", "/my disk"),
        ]);
        let picks = |filter: &str| {
            let more = [("severity", "critical")];
            asked(filter).picks(&["Almost no room"], &labels, &more)
        };
        for filter in [
            "",
            "  ",
            "ROOM",
            "diskf room",
            "WEB",
            "instance=WEB-1",
            "severity=critical disk",
            "mountpoint=\"/My disk\"",
            "\"no room\"",
            "disk\"full",
        ] {
            assert!(picks(filter), "{filter}");
        }
        for filter in [
            "rooms",
            "instance=web",
            "room=",
            "=web-1",
            "mountpoint=/my",
            "\"room no\"",
            "severity=critical warning",
        ] {
            assert!(!picks(filter), "{filter}");
        }
    }

    #[test]
    fn a_labels_own_filter_picks_it() {
        for (name, value) in [("a", "b"), ("mountpoint", "/my disk"), ("x", "é=ü")] {
            let labels = Labels::from_pairs([(name, value)]);
            let term = label_filter(name, value);
            let uri = format!("/?q={term}").parse().unwrap();
            let query: axum::extract::Query<Vec<(String, String)>> =
                axum::extract::Query::try_from_uri(&uri).unwrap();
            let filter = &query.0[0].1;
            assert!(asked(filter).picks(&[], &labels, &[]), "{filter}");
            assert!(!asked(filter).picks(&["b"], &Labels::empty(), &[]));
        }
    }

    #[test]
    fn tabs_by_their_names() {
        for (tab, name, _) in Tab::ALL {
            assert_eq!(Tab::named(name), tab);
            assert_eq!(serde_json::to_value(tab).unwrap(), name);
        }
        assert_eq!(Tab::named("<b>"), Tab::Firing);
    }
}
