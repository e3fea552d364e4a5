//! What a reader would read: the message's text and nothing else.

use std::io::{self, Write};

use message::Outline;
use message::view::Bodies;

use crate::complaint::Complaint;

/// Writes the texts to be shown one after the other, plain where there is a choice.
pub(super) fn write(
    outline: &Outline,
    message: &[u8],
    output: &mut dyn Write,
) -> Result<io::Result<()>, Complaint> {
    let bodies = Bodies::of(&outline.root);
    let mut texts = bodies
        .text
        .iter()
        .filter(|part| part.part.media == "text")
        .peekable();
    if texts.peek().is_none() {
        let complaint = Complaint::new("there is no text to read in it");
        return Err(complaint.next("without --body all parts are shown with their numbers"));
    }
    Ok(texts.try_for_each(|part| harmless(&part.reading(message), output)))
}

/// Writes a text that no terminal obeys: of control characters only tabs and line ends stay.
fn harmless(text: &str, output: &mut dyn Write) -> io::Result<()> {
    let kept = |letter: char| matches!(letter, '\n' | '\t') || !letter.is_control();
    for piece in text.split_inclusive(|letter| !kept(letter)) {
        let plain = piece.trim_end_matches(|letter| !kept(letter));
        output.write_all(plain.as_bytes())?;
        if plain.len() < piece.len() {
            write!(output, "{}", char::REPLACEMENT_CHARACTER)?;
        }
    }
    Ok(())
}
