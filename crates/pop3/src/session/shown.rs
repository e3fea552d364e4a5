//! What whoever looks on may see of what the client says.
//!
//! What begins with PASS or AUTH holds a password, wherever it stands; a line that is no command
//! may be one. Not here: how it is put down (`wire::recording`).

use wire::Line;
use wire::witness::{STAND_IN, keyword, shown_auth};

use super::{Session, State};
use crate::diagram::Verb;

impl Session {
    /// Notes a line that was taken.
    pub(super) fn note(&mut self, line: &Line, octets_max: usize) {
        self.witness
            .line(line, octets_max, |line| match &self.state {
                State::Exchange(Some(exchange)) => Some(exchange.shown(line)),
                _ => shown(line),
            });
    }
}

/// A line without its secrets; `None` if nothing of it may be shown.
fn shown(line: &[u8]) -> Option<Vec<u8>> {
    let (word, rest) = keyword(line)?;
    let name = std::str::from_utf8(word.trim_ascii_end()).ok()?;
    Some(match Verb::parse(name)? {
        Verb::Unknown | Verb::Response => return None,
        Verb::Pass if rest.is_empty() => word.to_vec(),
        Verb::Pass => [word, STAND_IN.as_bytes()].concat(),
        Verb::Auth => [word, &shown_auth(rest)].concat(),
        _ => line.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_left_out() {
        for (line, expected) in [
            ("USER ada", Some("USER ada")),
            ("PASS secret word", Some("PASS <left-out>")),
            ("pass  secret", Some("pass <left-out>")),
            ("PASS", Some("PASS")),
            ("AUTH PLAIN", Some("AUTH PLAIN")),
            (
                "AUTH CRAM-MD5 c2VjcmV0",
                Some("AUTH CRAM-MD5 PGxlZnQtb3V0Pg=="),
            ),
            ("RETR x", Some("RETR x")),
            ("NOOP\rPASS secret", None),
            ("PASSsecret", None),
            (" PASS secret", None),
            ("secret word", None),
            ("", None),
        ] {
            let shown = shown(line.as_bytes());
            assert_eq!(shown.as_deref(), expected.map(str::as_bytes), "{line}");
        }
        assert_eq!(
            shown(b"PASS \xff\xfe").as_deref(),
            Some(&b"PASS <left-out>"[..])
        );
    }
}
