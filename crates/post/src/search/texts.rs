//! What of a message has to be read to look for text in it: of a large one its headers and texts,
//! not what is attached.

use bytes::{Bytes, BytesMut};
use message::{Content, Outline, Part, Span};

use crate::fetch::{at, whole};
use crate::tables::EmailRow;
use crate::{Account, Outcome};

/// Octets of a message that is read whole.
const WHOLE_OCTETS_MAX: u64 = 64 << 10;
/// Pieces of a message that are read one by one; one with more is read whole.
const PIECES_MAX: usize = 64;

impl Account {
    /// The octets in which text can be, and an outline that says where in them.
    pub(super) async fn texts(
        &self,
        row: &EmailRow,
        outline: Outline,
    ) -> Outcome<(Outline, Bytes)> {
        if row.size > WHOLE_OCTETS_MAX {
            let mut moved = outline.clone();
            let mut pieces = Pieces::default();
            pieces.message(&mut moved);
            if pieces.spans.len() <= PIECES_MAX && pieces.octets <= row.size / 2 {
                let mut octets = BytesMut::new();
                for span in pieces.spans {
                    octets.extend_from_slice(&self.house.read(at(row, span)).await?);
                }
                return Ok((moved, octets.freeze()));
            }
        }
        Ok((outline, self.house.read(whole(row)).await?))
    }
}

/// What is to be read, one behind the other.
#[derive(Debug, Default)]
struct Pieces {
    spans: Vec<Span>,
    octets: u64,
}

impl Pieces {
    fn message(&mut self, outline: &mut Outline) {
        self.take(&mut outline.root.header);
        self.part(&mut outline.root);
    }

    fn part(&mut self, part: &mut Part) {
        match &mut part.content {
            Content::Leaf if part.media == "text" => self.take(&mut part.body),
            Content::Leaf => part.body = Span::default(),
            Content::Multipart(parts) => parts.iter_mut().for_each(|part| self.part(part)),
            Content::Message(inner) => self.message(inner),
        }
    }

    /// Notes a span, which becomes the one of the octets that are read.
    fn take(&mut self, span: &mut Span) {
        let from = *span;
        span.offset = self.octets;
        if from.len > 0 {
            self.octets = self.octets.saturating_add(from.len);
            self.spans.push(from);
        }
    }
}

#[cfg(test)]
mod tests {
    use message::{header_text, search_text};

    use super::*;

    fn shown(outline: &Outline, octets: &[u8]) -> Vec<String> {
        let mut all = Vec::new();
        let mut show = |text: &str| {
            all.push(text.to_owned());
            false
        };
        header_text(outline.root.header.of(octets), None, &mut show);
        search_text(outline, octets, &mut show);
        all
    }

    #[test]
    fn pieces_show_what_the_whole_shows() {
        let attached = "QUJD".repeat(100);
        let letter = format!(
            "Subject: a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\nbefore\r\n--b\r\n\
             Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+aGk8L2I+\r\n\
             --b\r\nContent-Type: image/png\r\n\r\n{attached}\r\n--b\r\n\
             Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\
             Content-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\n\r\nplain\r\n\
             --c\r\nContent-Type: application/pdf\r\n\r\n{attached}\r\n--c--\r\n\
             --b\r\n\r\nlast\r\n--b--\r\nbehind"
        );
        for letter in [
            &letter,
            "",
            "\r\nx",
            "Subject: only",
            "Subject: a\r\n\r\nbody",
        ] {
            let outline = Outline::parse(letter.as_bytes());
            let (mut moved, mut pieces) = (outline.clone(), Pieces::default());
            pieces.message(&mut moved);
            let read: Vec<&[u8]> = pieces
                .spans
                .iter()
                .map(|span| span.of(letter.as_bytes()))
                .collect();
            let read = read.concat();
            assert_eq!(shown(&moved, &read), shown(&outline, letter.as_bytes()));
            assert!(!String::from_utf8_lossy(&read).contains("QUJD"));
        }
    }
}
