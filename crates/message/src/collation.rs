//! How texts are compared and put in order: the collation `i;unicode-casemap`, and the texts IMAP
//! sorts by.
//!
//! RFC 5051; RFC 5256 §3 and §7, RFC 5957 §3 for the texts.

use std::sync::LazyLock;

use unicode_normalization::char::decompose_compatible;

use crate::address::Correspondent;
use crate::digest::Digest;
use crate::encoded_word::decode_words;
use crate::thread::base_subject;

/// A text a list can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SortText {
    /// The local part of the first address of Cc.
    Cc,
    /// The local part of the first address of From.
    From,
    /// The base subject.
    Subject,
    /// The local part of the first address of To.
    To,
    /// The name of the first address of From, else the address.
    DisplayFrom,
    /// The name of the first address of To, else the address.
    DisplayTo,
}

impl SortText {
    /// The text of a message, folded: two are compared octet by octet.
    #[must_use]
    pub fn of(self, digest: &Digest) -> String {
        let text = match self {
            Self::Cc => return local_part(&digest.cc),
            Self::From => return local_part(&digest.from),
            Self::To => return local_part(&digest.to),
            Self::DisplayFrom => display(&digest.from),
            Self::DisplayTo => display(&digest.to),
            Self::Subject => base_subject(digest.subject.as_deref().unwrap_or_default()).text,
        };
        casemap(&text)
    }
}

/// `addr-mailbox` as ENVELOPE has it: of a group that is its name.
fn local_part(list: &[Correspondent]) -> String {
    casemap(&String::from_utf8_lossy(mailbox_of(list)))
}

fn mailbox_of(list: &[Correspondent]) -> &[u8] {
    match list.first() {
        Some(Correspondent::Mailbox { local, .. }) => local,
        Some(Correspondent::GroupStart(name)) => name,
        Some(Correspondent::GroupEnd) | None => &[],
    }
}

// RFC 5957 §3
fn display(list: &[Correspondent]) -> String {
    if let Some(Correspondent::Mailbox {
        name, local, host, ..
    }) = list.first()
    {
        let name = name.as_deref().map(decode_words).unwrap_or_default();
        if !name.is_empty() {
            return name.into_owned();
        }
        let (local, host) = (
            String::from_utf8_lossy(local),
            String::from_utf8_lossy(host),
        );
        return format!("{local}@{host}");
    }
    String::from_utf8_lossy(mailbox_of(list)).into_owned()
}

/// The text as `i;unicode-casemap` compares it: title case, then decomposed.
#[must_use]
pub fn casemap(text: &str) -> String {
    // RFC 5051 §2
    if text.is_ascii() {
        return text.to_ascii_uppercase();
    }
    let single: &[char] = &SINGLE;
    let mut folded = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter.is_ascii() {
            folded.push(letter.to_ascii_uppercase());
            // Most text comes in long runs of it.
            let rest = letters.as_str();
            let run = rest.bytes().take_while(u8::is_ascii).count();
            let (run, rest) = rest.split_at(run);
            let from = folded.len();
            folded.push_str(run);
            if let Some(run) = folded.get_mut(from..) {
                run.make_ascii_uppercase();
            }
            letters = rest.chars();
        } else if stays(letter) {
            folded.push(letter);
        } else {
            let at = usize::try_from(u32::from(letter)).ok();
            match at.and_then(|at| single.get(at)) {
                Some(&one) if one != '\0' => folded.push(one),
                _ => fall(letter, |part| folded.push(part)),
            }
        }
    }
    folded
}

/// Letters before this one have a place in [`SINGLE`]: those of most alphabets, and kana.
const SINGLE_END: u32 = 0x3100;

/// What letters fall into that fall into one; NUL for the others. Looking each up anew in the
/// tables of Unicode takes three times as long.
static SINGLE: LazyLock<Vec<char>> = LazyLock::new(|| {
    let single = |code| {
        let mut parts = Vec::new();
        fall(char::from_u32(code)?, |part| parts.push(part));
        match *parts.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    };
    (0..SINGLE_END)
        .map(|code| single(code).unwrap_or_default())
        .collect()
});

/// Shows what a letter falls into. That has a case of its own: a ligature of small letters.
fn fall(letter: char, mut each: impl FnMut(char)) {
    decompose_compatible(title_case(letter), |part| each(title_case(part)));
}

/// True for ideographs, which are only themselves, and for syllables of Hangul: these are
/// decomposed by arithmetic, which is no property of theirs.
const fn stays(letter: char) -> bool {
    matches!(letter, '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}')
}

/// The one letter that is this one's title case, where it has one.
fn title_case(letter: char) -> char {
    let offset = match letter {
        // Georgian letters have capitals for whole words only.
        '\u{10d0}'..='\u{10ff}' => return letter,
        // Greek letters with an iota below: their capitals are two letters elsewhere.
        '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => 8,
        '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => 9,
        _ => 0,
    };
    if offset > 0 {
        return char::from_u32(u32::from(letter) + offset).unwrap_or(letter);
    }
    let mut upper = letter.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(one), None) => one,
        // Letters whose capital is written with several have none of one.
        _ => letter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outline;

    #[test]
    fn case_and_form_make_no_difference() {
        for (one, other) in [
            ("Grün", "gru\u{308}N"),
            ("ΣΑΣ", "σας"),
            ("ﬁn", "FIN"),
            ("\u{01c4}", "d\u{017e}"),
            ("ｆｕｌｌ", "full"),
            ("\u{1fb3}", "\u{1fbc}"),
            ("\u{1f82}", "\u{1f8a}"),
            ("привет", "ПРИВЕТ"),
            ("한국", "한국"),
            ("Ab é cD ü", "aB É Cd Ü"),
            ("\u{ff76}\u{ff9e}", "\u{30ab}\u{3099}"),
        ] {
            assert_eq!(casemap(one), casemap(other), "{one} {other}");
        }
        for (one, other) in [("ß", "ss"), ("a", "à"), ("\u{10d0}", "\u{1c90}")] {
            assert_ne!(casemap(one), casemap(other), "{one} {other}");
        }
        // RFC 5255 §4.6: the example's two strings of UTF-8.
        assert!(casemap("Алексей") < casemap("сЕРГЕЙ"));
        assert!(casemap("Äpfel") < casemap("zebra"));
    }

    #[test]
    fn each_text_is_where_it_should_be() {
        let cases: &[(&str, SortText, &str)] = &[
            ("Subject: Re: [a] grün", SortText::Subject, "GRU\u{308}N"),
            ("Subject: Re:", SortText::Subject, ""),
            ("X: y", SortText::Subject, ""),
            ("From: Zoe <ada@z>, bob@a", SortText::From, "ADA"),
            ("X: y", SortText::From, ""),
            ("To: Friends: ada@z, bob@a;", SortText::To, "FRIENDS"),
            ("Cc: <\"a b\"@c>", SortText::Cc, "A B"),
            ("From: Zoe <ada@z>", SortText::DisplayFrom, "ZOE"),
            (
                "From: =?utf-8?Q?=C3=89mile?= <e@z>",
                SortText::DisplayFrom,
                "E\u{301}MILE",
            ),
            ("From: ada@z", SortText::DisplayFrom, "ADA@Z"),
            ("From: \"\" <ada@z>", SortText::DisplayFrom, "ADA@Z"),
            ("To: Friends: ada@z;", SortText::DisplayTo, "FRIENDS"),
            ("X: y", SortText::DisplayTo, ""),
        ];
        for (header, by, text) in cases {
            let outline = Outline::parse(format!("{header}\r\n\r\n").as_bytes());
            assert_eq!(by.of(&outline.digest), *text, "{header}");
        }
    }
}
