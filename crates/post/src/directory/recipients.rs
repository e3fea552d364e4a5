//! Who is there at a relayed domain: a list of local parts, kept in as few octets as they have.
//!
//! Not here: its rows (`rows`), when it is asked (`route`).

use mail::{Address, Host, LocalPart};

use crate::{Error, Outcome};

/// Addresses on the lists of all relayed domains together.
pub(super) const RECIPIENTS_MAX: usize = 1_000_000;
/// Octets of their local parts.
pub(super) const RECIPIENTS_OCTETS_MAX: usize = 32 << 20;

/// The local parts of a domain, in lower case, sorted, none twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecipientList {
    /// All of them, one behind the other.
    text: Box<str>,
    /// Where each ends.
    ends: Box<[u32]>,
}

/// A list that is being gathered, in any order.
#[derive(Clone, Debug, Default)]
pub struct RecipientsGathered {
    text: String,
    ends: Vec<u32>,
}

/// Reads a line of a list: an address at the domain, or a local part; `None` for an empty line and
/// for a comment, which begins with `#`.
///
/// # Errors
/// What is wrong with it, in words.
pub fn read_recipient(line: &str, domain: &Host) -> Result<Option<LocalPart>, String> {
    let line = line.trim();
    let is_quoted = line.starts_with('"');
    let (word, rest) = match line.split_once(char::is_whitespace) {
        Some((word, rest)) if !is_quoted => (word, rest.trim_start()),
        _ => (line, ""),
    };
    if word.is_empty() || word.starts_with('#') {
        return Ok(None);
    }
    if !rest.is_empty() && !rest.starts_with('#') {
        return Err(format!("there is more than an address: {line}"));
    }
    let alone = || Address::parse(&format!("{word}@{domain}"));
    match Address::parse(word) {
        Ok(address) if address.host == *domain => Ok(Some(address.local)),
        Ok(_) => Err(format!("{word} is not at {domain}")),
        Err(_) if is_quoted || !word.contains('@') => match alone() {
            Ok(address) => Ok(Some(address.local)),
            Err(fault) => Err(format!("{word} is no local part: {fault}")),
        },
        Err(fault) => Err(format!("{word} is no address: {fault}")),
    }
}

impl RecipientsGathered {
    /// Adds a local part; its case does not matter.
    ///
    /// # Errors
    /// [`crate::Why::Limit`] beyond 1,000,000 addresses or 32 MiB.
    pub fn push(&mut self, local: &LocalPart) -> Outcome<()> {
        fits(self.ends.len() + 1, self.text.len() + local.as_str().len())?;
        self.add(&local.as_str().to_lowercase());
        Ok(())
    }

    /// Adds what is in lower case.
    pub(super) fn add(&mut self, local: &str) {
        self.text.push_str(local);
        self.ends.push(end(&self.text));
    }

    /// The list.
    #[must_use]
    pub fn finish(self) -> RecipientList {
        let all = Names {
            text: &self.text,
            ends: &self.ends,
        };
        let mut names: Vec<&str> = all.from(0).collect();
        names.sort_unstable();
        names.dedup();
        let mut text = String::with_capacity(self.text.len());
        let mut ends = Vec::with_capacity(names.len());
        for name in names {
            text.push_str(name);
            ends.push(end(&text));
        }
        RecipientList {
            text: text.into(),
            ends: ends.into(),
        }
    }
}

/// So long a text is by now; it is never longer than [`RECIPIENTS_OCTETS_MAX`], whatever that is
/// in another release.
fn end(text: &str) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}

/// Refuses so many addresses, and so many octets.
pub(super) fn fits(addresses: usize, octets: usize) -> Outcome<()> {
    if addresses > RECIPIENTS_MAX || octets > RECIPIENTS_OCTETS_MAX {
        return Err(Error::limit(format!(
            "The lists of all relayed domains have at most {RECIPIENTS_MAX} addresses together, \
             and {RECIPIENTS_OCTETS_MAX} octets of local parts"
        )));
    }
    Ok(())
}

/// Local parts one behind the other.
#[derive(Clone, Copy)]
struct Names<'a> {
    text: &'a str,
    ends: &'a [u32],
}

impl<'a> Names<'a> {
    fn at(self, place: usize) -> Option<&'a str> {
        let end = *self.ends.get(place)?;
        let begin = match place.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        let (begin, end) = (usize::try_from(begin).ok()?, usize::try_from(end).ok()?);
        self.text.get(begin..end)
    }

    fn from(self, place: usize) -> impl Iterator<Item = &'a str> {
        (place..self.ends.len()).filter_map(move |place| self.at(place))
    }
}

impl RecipientList {
    const fn names(&self) -> Names<'_> {
        Names {
            text: &self.text,
            ends: &self.ends,
        }
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// True if there is nobody.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Octets of all of them.
    pub(super) const fn octets(&self) -> usize {
        self.text.len()
    }

    /// All of them, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.names().from(0)
    }

    /// Those behind a local part; all of them, where there is none.
    pub(super) fn behind(&self, after: Option<&str>) -> impl Iterator<Item = &str> {
        let names = self.names();
        let place = after.map_or(0, |after| {
            let place = self.place(after);
            place + usize::from(names.at(place) == Some(after))
        });
        names.from(place)
    }

    /// True if a local part, in lower case, is on it.
    pub(crate) fn has(&self, local: &str) -> bool {
        self.names().at(self.place(local)) == Some(local)
    }

    /// Where a local part is, or would be.
    fn place(&self, local: &str) -> usize {
        let names = self.names();
        let (mut low, mut high) = (0, self.ends.len());
        while low < high {
            let middle = low.midpoint(high);
            match names.at(middle).is_some_and(|name| name < local) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }
}

/// A local part without what stands behind its first `+`.
pub(crate) fn without_detail(local: &str) -> Option<&str> {
    local.split_once('+').map(|(base, _)| base)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> RecipientList {
        let mut gathered = RecipientsGathered::default();
        for name in names {
            gathered.push(&LocalPart::new(name).unwrap()).unwrap();
        }
        gathered.finish()
    }

    #[test]
    fn names_are_sorted_and_found() {
        let some = list(&["zoe", "Ada", "bob", "ADA", "é", "a", "bo b"]);
        let all: Vec<&str> = some.iter().collect();
        assert_eq!(all, ["a", "ada", "bo b", "bob", "zoe", "é"]);
        assert!(all.iter().all(|name| some.has(name)));
        for other in ["", "A", "ad", "adaa", "zz", "bobzoe", "ê"] {
            assert!(!some.has(other), "{other}");
        }
        for (after, next) in [
            (None, Some("a")),
            (Some(""), Some("a")),
            (Some("a"), Some("ada")),
            (Some("aa"), Some("ada")),
            (Some("é"), None),
        ] {
            assert_eq!(some.behind(after).next(), next, "{after:?}");
        }
        let nobody = list(&[]);
        assert!(nobody.is_empty() && !nobody.has("") && nobody.behind(None).next().is_none());
    }

    // tidy: table
    #[test]
    fn lines_are_read() {
        let domain = Host::parse("customer.example").unwrap();
        for (line, expected) in [
            ("ada", Ok(Some("ada"))),
            ("  Ada@Customer.Example\t# the boss", Ok(Some("Ada"))),
            ("ada+x", Ok(Some("ada+x"))),
            ("\"ada l\"", Ok(Some("ada l"))),
            ("\"x@y\"@customer.example", Ok(Some("x@y"))),
            ("\"x@y\"", Ok(Some("x@y"))),
            ("zoë", Ok(Some("zoë"))),
            ("", Ok(None)),
            ("   # nobody", Ok(None)),
            ("#ada", Ok(None)),
            ("ada OK", Err("there is more than an address: ada OK")),
            (
                "ada@house.example",
                Err("ada@house.example is not at customer.example"),
            ),
            ("@customer.example", Err("")),
            ("ada@", Err("")),
            ("a..b", Err("")),
            ("ada,bob", Err("")),
        ] {
            let read = read_recipient(line, &domain);
            match (&read, expected) {
                (Ok(read), Ok(expected)) => {
                    assert_eq!(read.as_ref().map(LocalPart::as_str), expected, "{line}");
                }
                (Err(said), Err(expected)) => assert!(said.starts_with(expected), "{said}"),
                _ => panic!("{line}: {read:?}"),
            }
        }
    }

    #[test]
    fn a_list_has_an_end() {
        assert!(fits(RECIPIENTS_MAX, RECIPIENTS_OCTETS_MAX).is_ok());
        assert!(fits(RECIPIENTS_MAX + 1, 0).is_err());
        assert!(fits(0, RECIPIENTS_OCTETS_MAX + 1).is_err());
    }
}
