//! What is in messages: letters, put together of parts now and then.

use imap::Answer;
use imap::ask::{Source, StoredPart};
use message::{Section, Specifier};

use super::deeds::{Dice, NAMES};
use super::model::{Folder, Model};

pub(super) fn text(letter: u64) -> String {
    format!("Subject: letter {letter}\r\n\r\nThis is letter {letter}.\r\n")
}

/// Which letter this is the text of.
pub(super) fn letter_of(octets: &[u8]) -> u64 {
    let found = std::str::from_utf8(octets).unwrap();
    let (line, _) = found.split_once("\r\n").unwrap();
    let letter = line
        .strip_prefix("Subject: letter ")
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(found, text(letter));
    letter
}

impl Dice {
    /// A message in parts: of a letter that may be stored, or of one that is new.
    pub(super) fn catenated(&mut self, model: &mut Model) -> String {
        let name = self.one(&NAMES);
        let found = model.find(name).map(|id| &model.folders[&id]);
        let living = found.map(Folder::uids).unwrap_or_default();
        if living.is_empty() || self.roll(4) == 0 {
            let letter = text(model.letter());
            let (one, other) = letter.split_at(self.roll(letter.len()));
            let (here, there) = (one.len(), other.len());
            return format!("(TEXT {{{here}+}}\r\n{one} TEXT {{{there}+}}\r\n{other})");
        }
        let uid = match self.roll(10) {
            0 => 1 + u32::try_from(self.roll(2_000)).unwrap(),
            _ => self.one(&living),
        };
        let validity = found.map(|folder| folder.validity);
        let generation = match validity.filter(|_| self.roll(2) == 0) {
            Some(validity) => format!(";UIDVALIDITY={validity}"),
            None => String::new(),
        };
        let url = format!("/{name}{generation}/;UID={uid}");
        let cut = 1 + self.roll(60);
        match self.roll(3) {
            0 => format!("(URL {url})"),
            1 => format!("(URL {url}/;SECTION=HEADER URL {url}/;SECTION=TEXT)"),
            _ => format!("(URL {url}/;PARTIAL=0.{cut} URL \"{url}/;PARTIAL={cut}\")"),
        }
    }
}

impl Model {
    /// Compares the house's answer about a part; its octets, if it is there.
    pub(super) fn part(&self, part: &StoredPart, answer: &Answer) -> Option<Vec<u8>> {
        let Source::Named { name, uid_validity } = &part.source else {
            panic!("not said in this test: {part:?}");
        };
        let folder = self.find(name).map(|id| &self.folders[&id]);
        let folder =
            folder.filter(|folder| uid_validity.is_none_or(|meant| meant == folder.validity));
        let letter = folder.and_then(|folder| folder.letter(part.uid.value()));
        let Answer::PartTaken { octets, .. } = answer else {
            assert_eq!(letter, None, "a part that is there: {part:?}, {answer:?}");
            return None;
        };
        let whole = text(letter.unwrap());
        let (header, body) = whole.split_at(whole.find("\r\n\r\n").unwrap() + 4);
        let Section { parts, specifier } = &part.section;
        assert!(parts.is_empty());
        let section = match specifier {
            Specifier::All => &whole,
            Specifier::Header => header,
            Specifier::Text => body,
            other => panic!("not said in this test: {other:?}"),
        };
        let (skip, take) = part.range.unwrap_or((0, u64::MAX));
        let all = section.bytes();
        let all = all.skip(usize::try_from(skip).unwrap());
        let taken: Vec<u8> = all.take(usize::try_from(take).unwrap()).collect();
        assert_eq!(u64::try_from(taken.len()).unwrap(), *octets, "{part:?}");
        Some(taken)
    }
}
