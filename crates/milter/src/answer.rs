//! What a filter says.

use crate::packet::{Error, Offer, VERSION_MIN, VERSION_WITH_DATA, action, step};

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Continue,
    /// Take it without asking this filter further: the letter, or, before there is one, all letters
    /// of this connection.
    Accept,
    /// Refuse it for good.
    Reject,
    /// Refuse it for now.
    TemporaryFailure,
    /// Refuse it in these words: a code of three digits, `5.7.1` or the like where there is one,
    /// and a text.
    Reply(u16, Option<(u8, u16, u16)>, String),
    /// Say that it was taken, and throw it away.
    Discard,
    /// Go on without further events of this kind.
    Skip,
    /// Say goodbye: 421.
    Shutdown,
}

/// A change of a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A field more, behind all others.
    AddField {
        /// Its name.
        name: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
    /// A field more, at a place from 0.
    InsertField {
        /// Where.
        index: u32,
        /// Its name.
        name: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
    /// Another value for a field of this name, counted from 1; none removes it.
    ChangeField {
        /// Which of those with this name.
        index: u32,
        /// Its name.
        name: Vec<u8>,
        /// Its value; empty where it goes.
        value: Vec<u8>,
    },
    /// Fields of this name go: the one with this number, counted from 1, or from the end where it
    /// is below 0; all of them at 0. No packet says so.
    RemoveField {
        /// Which of those with this name.
        order: i64,
        /// Its name.
        name: Vec<u8>,
    },
    /// The next piece of another body.
    ReplaceBody(Vec<u8>),
    /// A recipient more: the path, and the words behind it.
    AddRecipient(String, String),
    /// A recipient less.
    RemoveRecipient(String),
    /// Another sender: the path, and the words behind it.
    ChangeSender(String, String),
    /// It is to be kept apart, for this reason.
    Quarantine(String),
}

/// One packet of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Offer(Offer, Vec<(u32, String)>),
    Verdict(Verdict),
    Change(Change),
    /// It is at work.
    Progress,
}

impl Answer {
    /// Reads a packet.
    pub(crate) fn read(kind: u8, about: &[u8]) -> Result<Self, Error> {
        let wrong = || Error::Malformed(kind);
        let verdict = |verdict| Ok(Self::Verdict(verdict));
        match kind {
            b'O' => offer(about),
            b'c' => verdict(Verdict::Continue),
            b'a' => verdict(Verdict::Accept),
            b'r' => verdict(Verdict::Reject),
            // That it has failed with this connection is a failure for now as well.
            b't' | b'f' => verdict(Verdict::TemporaryFailure),
            b'd' => verdict(Verdict::Discard),
            b's' => verdict(Verdict::Skip),
            b'4' => verdict(Verdict::Shutdown),
            b'y' => reply(about).ok_or_else(wrong).map(Self::Verdict),
            b'p' => Ok(Self::Progress),
            _ => change(kind, about)?.ok_or_else(wrong).map(Self::Change),
        }
    }
}

/// A change; nothing where it is half of one.
fn change(kind: u8, about: &[u8]) -> Result<Option<Change>, Error> {
    Ok(match kind {
        b'b' => Some(Change::ReplaceBody(about.to_vec())),
        b'h' => field(about).map(|(name, value)| Change::AddField { name, value }),
        b'i' | b'm' => indexed(kind, about),
        b'+' | b'2' => with_words(about).map(|(path, words)| Change::AddRecipient(path, words)),
        b'e' => with_words(about).map(|(path, words)| Change::ChangeSender(path, words)),
        b'-' => match strings(about).as_deref() {
            Some([one]) => path(one).map(Change::RemoveRecipient),
            _ => None,
        },
        b'q' => match strings(about).as_deref() {
            Some([reason]) => Some(Change::Quarantine(printable(reason))),
            _ => None,
        },
        _ => return Err(Error::OutOfPlace(kind)),
    })
}

/// Strings, each with the octet that ends it.
fn strings(about: &[u8]) -> Option<Vec<&[u8]>> {
    let all = about.strip_suffix(b"\0")?;
    Some(all.split(|octet| *octet == 0).collect())
}

/// A name and a value.
fn field(about: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    match strings(about)?.as_slice() {
        [name, value] if is_name(name) => Some((name.to_vec(), value.to_vec())),
        _ => None,
    }
}

// RFC 5322 §2.2
pub(crate) fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|octet| matches!(octet, 33..=57 | 59..=126))
}

fn indexed(kind: u8, about: &[u8]) -> Option<Change> {
    let (index, rest) = about.split_first_chunk::<4>()?;
    let index = u32::from_be_bytes(*index);
    let (name, value) = field(rest)?;
    Some(match kind {
        b'i' => Change::InsertField { index, name, value },
        _ => Change::ChangeField { index, name, value },
    })
}

/// A path, and the words behind it where there are any.
fn with_words(about: &[u8]) -> Option<(String, String)> {
    match strings(about)?.as_slice() {
        [one] => Some((path(one)?, String::new())),
        [one, words] => Some((path(one)?, printable(words))),
        _ => None,
    }
}

pub(crate) fn path(octets: &[u8]) -> Option<String> {
    let path = std::str::from_utf8(octets).ok()?;
    let fits = !path.is_empty() && !path.chars().any(char::is_control);
    fits.then(|| path.to_owned())
}

/// A filter's words as one may repeat them.
pub(crate) fn printable(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets);
    let shown = |letter: char| if letter.is_control() { ' ' } else { letter };
    text.chars()
        .map(shown)
        .collect::<String>()
        .trim()
        .to_owned()
}

fn offer(about: &[u8]) -> Result<Answer, Error> {
    let wrong = || Error::Malformed(b'O');
    let (version, rest) = number(about).ok_or_else(wrong)?;
    let (actions, rest) = number(rest).ok_or_else(wrong)?;
    let (steps, mut rest) = number(rest).ok_or_else(wrong)?;
    if version < VERSION_MIN {
        return Err(Error::Version(version));
    }
    if actions & !action::ALL != 0 {
        return Err(Error::Greedy);
    }
    let steps = match version < VERSION_WITH_DATA {
        true => steps | step::NO_DATA,
        false => steps,
    };
    let mut macros = Vec::new();
    while let Some((stage, more)) = number(rest) {
        let end = more.iter().position(|octet| *octet == 0);
        let end = end.ok_or_else(wrong)?;
        let names = more.get(..end).unwrap_or_default();
        macros.push((stage, printable(names)));
        rest = more.get(end + 1..).unwrap_or_default();
    }
    Ok(Answer::Offer(Offer { actions, steps }, macros))
}

fn number(octets: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = octets.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*number), rest))
}

/// `550 5.7.1 text`: a code that refuses, for good or for now.
fn reply(about: &[u8]) -> Option<Verdict> {
    let text = about.strip_suffix(b"\0").unwrap_or(about);
    // A reply of several lines repeats the code on each; what is told is one line.
    let lines: Vec<String> = text.split(|octet| *octet == b'\n').map(printable).collect();
    let first = lines.first()?;
    let code = first.get(..3)?;
    let rest = |line: &String| line.get(4..).unwrap_or_default().to_owned();
    let mut words = lines.iter().map(rest).collect::<Vec<_>>().join(" ");
    let code: u16 = code.parse().ok()?;
    let class = u8::try_from(code / 100).ok()?;
    if !matches!(class, 4 | 5) {
        return None;
    }
    let mut enhanced = None;
    if let Some((front, behind)) = words.split_once(' ')
        && let Some(read) = status(front).filter(|status| status.0 == class)
    {
        enhanced = Some(read);
        words = behind.to_owned();
    }
    // A single `%` was written as two.
    Some(Verdict::Reply(code, enhanced, words.replace("%%", "%")))
}

/// `5.7.1`.
pub(crate) fn status(text: &str) -> Option<(u8, u16, u16)> {
    let mut numbers = text.split('.');
    let status = (
        numbers.next()?.parse().ok()?,
        numbers.next()?.parse().ok()?,
        numbers.next()?.parse().ok()?,
    );
    numbers.next().is_none().then_some(status)
}

impl Change {
    /// The action by which it was offered.
    pub(crate) const fn action(&self) -> u32 {
        match self {
            Self::AddField { .. } | Self::InsertField { .. } => action::ADD_FIELDS,
            Self::ChangeField { .. } | Self::RemoveField { .. } => action::CHANGE_FIELDS,
            Self::ReplaceBody(_) => action::CHANGE_BODY,
            Self::AddRecipient(..) => action::ADD_RECIPIENTS | action::ADD_RECIPIENTS_WITH_WORDS,
            Self::RemoveRecipient(_) => action::REMOVE_RECIPIENTS,
            Self::ChangeSender(..) => action::CHANGE_SENDER,
            Self::Quarantine(_) => action::QUARANTINE,
        }
    }

    /// Octets that it is about.
    pub(crate) fn octets(&self) -> usize {
        match self {
            Self::AddField { name, value }
            | Self::InsertField { name, value, .. }
            | Self::ChangeField { name, value, .. } => name.len() + value.len(),
            Self::RemoveField { name, .. } => name.len(),
            Self::ReplaceBody(octets) => octets.len(),
            Self::AddRecipient(path, words) | Self::ChangeSender(path, words) => {
                path.len() + words.len()
            }
            Self::RemoveRecipient(text) | Self::Quarantine(text) => text.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(packet: &[u8]) -> Result<Answer, Error> {
        let (kind, about) = packet.split_first().unwrap();
        Answer::read(*kind, about)
    }

    #[test]
    fn verdicts() {
        let reply = |code, status, text: &str| Verdict::Reply(code, status, text.into());
        for (packet, expected) in [
            (&b"c"[..], Verdict::Continue),
            (b"a", Verdict::Accept),
            (b"r", Verdict::Reject),
            (b"t", Verdict::TemporaryFailure),
            (b"f", Verdict::TemporaryFailure),
            (b"d", Verdict::Discard),
            (b"s", Verdict::Skip),
            (b"4", Verdict::Shutdown),
            (
                b"y550 5.7.1 no, 100%%\0",
                reply(550, Some((5, 7, 1)), "no, 100%"),
            ),
            (b"y450 later\0", reply(450, None, "later")),
            // The status is of another class than the code: it is a word.
            (b"y550 4.7.1 no\0", reply(550, None, "4.7.1 no")),
            (b"y554-no\r\n554 never\0", reply(554, None, "no never")),
            (b"y550\0", reply(550, None, "")),
        ] {
            assert_eq!(read(packet), Ok(Answer::Verdict(expected)), "{packet:?}");
        }
        for wrong in [
            &b"y250 ok\0"[..],
            b"y\0",
            b"yabc no\0",
            b"y55",
            b"z",
            b"R<x>\0",
        ] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn changes() {
        let octets = |text: &str| text.as_bytes().to_vec();
        for (packet, expected) in [
            (
                &b"hX-A\0 1\n\t2\0"[..],
                Change::AddField {
                    name: octets("X-A"),
                    value: octets(" 1\n\t2"),
                },
            ),
            (
                b"i\0\0\0\x01X-A\0b\0",
                Change::InsertField {
                    index: 1,
                    name: octets("X-A"),
                    value: octets("b"),
                },
            ),
            (
                b"m\0\0\0\x02Subject\0\0",
                Change::ChangeField {
                    index: 2,
                    name: octets("Subject"),
                    value: octets(""),
                },
            ),
            (b"bbo\0dy", Change::ReplaceBody(octets("bo\0dy"))),
            (b"+<a@b>\0", Change::AddRecipient("<a@b>".into(), "".into())),
            (
                b"2<a@b>\0NOTIFY=NEVER\0",
                Change::AddRecipient("<a@b>".into(), "NOTIFY=NEVER".into()),
            ),
            (b"-<a@b>\0", Change::RemoveRecipient("<a@b>".into())),
            (b"e<>\0", Change::ChangeSender("<>".into(), "".into())),
            (b"qa\rb\0", Change::Quarantine("a b".into())),
        ] {
            assert_eq!(read(packet), Ok(Answer::Change(expected)), "{packet:?}");
            // Half of a recipient with words is one without.
            if !matches!(packet[0], b'b' | b'2') {
                for cut in 1..packet.len() {
                    assert!(read(&packet[..cut]).is_err(), "{packet:?} {cut}");
                }
            }
        }
        assert!(read(b"+<a\nb>\0").is_err());
    }

    #[test]
    fn offers() {
        let offer = b"O\0\0\0\x06\0\0\0\x01\0\0\0\x02\0\0\0\x02i {auth_authen}\0\0\0\0\x05i\0";
        let expected = Answer::Offer(
            Offer {
                actions: 1,
                steps: 2,
            },
            vec![(2, "i {auth_authen}".into()), (5, "i".into())],
        );
        assert_eq!(read(offer), Ok(expected));
        let old = b"O\0\0\0\x01\0\0\0\x01\0\0\0\x02";
        assert_eq!(read(old), Err(Error::Version(1)));
        let Ok(Answer::Offer(third, _)) = read(b"O\0\0\0\x03\0\0\0\x01\0\0\0\x02") else {
            panic!()
        };
        assert_eq!(third.steps, 2 | step::NO_DATA);
        let greedy = b"O\0\0\0\x06\0\0\x02\0\0\0\0\x02";
        assert_eq!(read(greedy), Err(Error::Greedy));
        assert!(read(&offer[..12]).is_err() && read(&offer[..20]).is_err());
    }
}
