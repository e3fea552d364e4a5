//! What whoever looks on may see of what the client says.
//!
//! What begins with AUTH holds a password, wherever it stands; a line that is no command may be
//! one. Not here: how it is put down (`wire::recording`).

use bytes::Bytes;
use wire::Line;
use wire::witness::{Heard, keyword, shown_auth};

use super::{Session, State};
use crate::command;
use crate::diagram::Verb;
use crate::scanner::Piece;

/// The dot that ends a body, alone on its line.
const END: &[u8] = b".\r\n";

impl Session {
    /// Notes a line that was taken.
    pub(super) fn note(&mut self, line: &Line, octets_max: usize) {
        self.witness.line(line, octets_max, |line| {
            match (self.state, &self.exchange) {
                (State::Auth, Some(exchange)) => Some(exchange.shown(line)),
                _ => shown(line),
            }
        });
    }

    /// Notes the text at the front of the input, and behind it what is thrown away: a dot that
    /// was doubled, or, as becomes clear later, the end.
    pub(super) fn note_text(&mut self, piece: Piece) {
        let held = self.body.held;
        self.body.held = match (piece.end, piece.text) {
            (true, _) => 0,
            (false, 0) => held + piece.drop,
            (false, _) => piece.drop,
        };
        if !self.witness.is_on() {
            return;
        }
        if piece.text > 0 {
            let held = END.get(..held).unwrap_or_default();
            let text = self.input.peek().get(..piece.text).unwrap_or_default();
            self.witness
                .note(|| Heard::Text([held, text].concat().into()));
        }
        if piece.end {
            self.witness.note(|| Heard::Shown(Bytes::from_static(END)));
        }
    }
}

/// A line without its secrets; `None` if nothing of it may be shown.
fn shown(line: &[u8]) -> Option<Vec<u8>> {
    let (word, rest) = keyword(line)?;
    Some(match command::verb(word.trim_ascii_end())? {
        Verb::Auth => [word, &shown_auth(rest.trim_ascii())].concat(),
        _ => line.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(line: &str) -> String {
        let shown = shown(line.as_bytes()).unwrap_or_default();
        String::from_utf8(shown).unwrap()
    }

    #[test]
    fn auth_is_shown_without_its_response() {
        assert_eq!(seen("AUTH"), "AUTH");
        assert_eq!(seen("auth NTLM c2VjcmV0"), "auth NTLM PGxlZnQtb3V0Pg==");
        assert_eq!(seen("AUTH  PLAIN c2VjcmV0"), "AUTH PLAIN PGxlZnQtb3V0Pg==");
        assert_eq!(seen("MAIL FROM:<a@b.example>"), "MAIL FROM:<a@b.example>");
    }

    #[test]
    fn what_may_be_a_response_is_not_shown() {
        let lines = [
            "AUTHPLAIN c2VjcmV0",
            "RSET\rAUTH PLAIN c2VjcmV0",
            "VRFY a\rAUTH PLAIN c2VjcmV0",
            "c2VjcmV0",
            "",
        ];
        for line in lines {
            assert_eq!(shown(line.as_bytes()), None, "{line}");
        }
    }
}
