//! Where what an alert is about can be looked at.

use std::fmt::Write as _;

/// The address of an expression below where this server is reached (without a slash at the end):
/// the one that Prometheus' own page has.
#[must_use]
pub fn expression_link(external_url: &str, expression: &str) -> String {
    let mut link = format!("{external_url}/graph?g0.expr=");
    for byte in expression.bytes() {
        match byte {
            b' ' => link.push('+'),
            b'-' | b'_' | b'.' | b'~' => link.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => link.push(char::from(byte)),
            byte => {
                let _ = write!(link, "%{byte:02X}");
            }
        }
    }
    link.push_str("&g0.tab=1");
    link
}

#[cfg(test)]
mod tests {
    use super::expression_link;

    #[test]
    fn links_are_those_of_prometheus() {
        let expected = "http://h:1/x/graph?g0.expr=up%7Ba%3D%22~%C3%A4%22%7D+%3E+1.5&g0.tab=1";
        let link = expression_link("http://h:1/x", "up{a=\"~ä\"} > 1.5");
        assert_eq!(link, expected);
    }
}
