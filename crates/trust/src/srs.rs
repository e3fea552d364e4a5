//! Addresses for letters that are sent on (the Sender Rewriting Scheme): a reverse-path of our own
//! domain, so that SPF holds, which leads failures back to the one before.
//!
//! `ada@a.example` through `b.example` becomes `SRS0=hash=day=a.example=ada@b.example`; through
//! `c.example` after that `SRS1=hash=b.example==hash=day=a.example=ada@c.example`, however many
//! come after.
//!
//! Not here: when to rewrite.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use mail::{Address, Host, LocalPart};

/// Days an address leads back.
pub const DAYS_MAX: i64 = 21;

const DAY: i64 = 86_400;
/// Days after which the day of an address begins anew.
const DAYS_CYCLE: i64 = 1024;
/// Letters of a hash, five bits each.
const HASH_LETTERS: usize = 8;
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Why there is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no room for it in a local part.
    #[error("rewriting an address: it would be too long")]
    TooLong,
    /// It is none of ours: nobody made it, or not here.
    #[error("rewriting an address: it was not made here")]
    NotOurs,
    /// It was ours.
    #[error("rewriting an address: it has expired")]
    Expired,
}

/// Rewrites addresses in the name of one domain.
#[derive(Debug)]
pub struct Srs {
    domain: String,
    keys: Vec<hmac::Key>,
}

impl Srs {
    /// For our domain. The first secret makes new addresses; the others made old ones.
    #[must_use]
    pub fn new(domain: &str, secrets: &[&[u8]]) -> Self {
        let key = |secret: &&[u8]| hmac::Key::new(hmac::HMAC_SHA256, secret);
        Self {
            domain: domain.to_owned(),
            keys: secrets.iter().map(key).collect(),
        }
    }

    /// The address under which we send on what comes from this one; `now` in seconds since 1970.
    ///
    /// # Errors
    /// Where it would be too long, or there is no secret.
    pub fn forward(&self, address: &Address, now: i64) -> Result<Address, Error> {
        let local = address.local.as_str();
        let host = address.host.to_ascii();
        let rewritten = if let Some(rest) = prefixed(local, "SRS0") {
            // The first one's address with its mark, which need not be ours.
            let mark = local.get(4..5).unwrap_or("=");
            self.second(&host, &format!("{mark}{rest}"))?
        } else if let Some(rest) = prefixed(local, "SRS1") {
            let (_, rest) = rest.split_once('=').ok_or(Error::NotOurs)?;
            let (first, rest) = rest.split_once('=').ok_or(Error::NotOurs)?;
            self.second(first, rest)?
        } else {
            let day = day_letters(now.div_euclid(DAY));
            let hash = self.hash("SRS0", &format!("{day}={host}={local}"))?;
            format!("SRS0={hash}={day}={host}={local}")
        };
        let local = LocalPart::new(&rewritten).ok_or(Error::TooLong)?;
        let host = Host::parse(&self.domain).map_err(|_| Error::NotOurs)?;
        Ok(Address { local, host })
    }

    fn second(&self, first: &str, rest: &str) -> Result<String, Error> {
        let hash = self.hash("SRS1", &format!("{first}={rest}"))?;
        Ok(format!("SRS1={hash}={first}={rest}"))
    }

    /// The address that one of ours leads back to.
    ///
    /// # Errors
    /// Where it is none of ours, or has expired.
    pub fn reverse(&self, local: &LocalPart, now: i64) -> Result<Address, Error> {
        let local = local.as_str();
        if let Some(rest) = prefixed(local, "SRS1") {
            let (hash, signed) = rest.split_once('=').ok_or(Error::NotOurs)?;
            self.made_here(hash, "SRS1", signed)?;
            let (first, rest) = signed.split_once('=').ok_or(Error::NotOurs)?;
            return address(&format!("SRS0{rest}"), first);
        }
        let rest = prefixed(local, "SRS0").ok_or(Error::NotOurs)?;
        let (hash, signed) = rest.split_once('=').ok_or(Error::NotOurs)?;
        self.made_here(hash, "SRS0", signed)?;
        let (day, rest) = signed.split_once('=').ok_or(Error::NotOurs)?;
        let made = day_number(day).ok_or(Error::NotOurs)?;
        let age = (now.div_euclid(DAY) - made).rem_euclid(DAYS_CYCLE);
        if age > DAYS_MAX {
            return Err(Error::Expired);
        }
        let (host, local) = rest.split_once('=').ok_or(Error::NotOurs)?;
        address(local, host)
    }

    fn hash(&self, tag: &str, text: &str) -> Result<String, Error> {
        let key = self.keys.first().ok_or(Error::NotOurs)?;
        Ok(hash_with(key, tag, text))
    }

    fn made_here(&self, hash: &str, tag: &str, text: &str) -> Result<(), Error> {
        let hash = hash.to_ascii_lowercase();
        let same = |key: &hmac::Key| {
            let expected = hash_with(key, tag, text);
            verify_slices_are_equal(expected.as_bytes(), hash.as_bytes()).is_ok()
        };
        match self.keys.iter().any(same) {
            true => Ok(()),
            false => Err(Error::NotOurs),
        }
    }
}

/// What stands behind `SRS0=`; other programs write `-` or `+` there.
fn prefixed<'a>(local: &'a str, tag: &str) -> Option<&'a str> {
    let (head, rest) = local.split_at_checked(4)?;
    let marked = head.eq_ignore_ascii_case(tag) && rest.starts_with(['=', '-', '+']);
    rest.get(1..).filter(|_| marked)
}

fn address(local: &str, host: &str) -> Result<Address, Error> {
    Ok(Address {
        local: LocalPart::new(local).ok_or(Error::NotOurs)?,
        host: Host::parse(host).map_err(|_| Error::NotOurs)?,
    })
}

/// Some servers on the way change the case of letters, so none is of weight.
fn hash_with(key: &hmac::Key, tag: &str, text: &str) -> String {
    let tag = hmac::sign(key, format!("{tag}={}", text.to_lowercase()).as_bytes());
    let head: [u8; 8] = tag.as_ref().first_chunk().copied().unwrap_or_default();
    letters(i64::from_be_bytes(head), HASH_LETTERS)
}

fn day_letters(days: i64) -> String {
    letters(days.rem_euclid(DAYS_CYCLE), 2)
}

fn letters(number: i64, count: usize) -> String {
    let letter = |at: usize| {
        let five = (number >> (5 * at)) & 31;
        let found = usize::try_from(five).ok().and_then(|five| BASE32.get(five));
        char::from(found.copied().unwrap_or(b'a'))
    };
    (0..count).rev().map(letter).collect()
}

fn day_number(letters: &str) -> Option<i64> {
    if letters.len() != 2 {
        return None;
    }
    letters.bytes().try_fold(0_i64, |number, letter| {
        let letter = letter.to_ascii_lowercase();
        let five = BASE32.iter().position(|known| *known == letter)?;
        Some(number * 32 + i64::try_from(five).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_000_000;

    fn local(address: &Address) -> LocalPart {
        LocalPart::new(&address.local.as_str().to_uppercase()).unwrap()
    }

    #[test]
    fn there_and_back() {
        let here = Srs::new("b.example", &[b"secret"]);
        let there = Srs::new("c.example", &[b"other"]);
        let further = Srs::new("d.example", &[b"third"]);
        let ada = Address::parse("ada=x@a.example").unwrap();
        let first = here.forward(&ada, NOW).unwrap();
        let text = first.to_string();
        assert!(text.starts_with("SRS0=") && text.ends_with("=a.example=ada=x@b.example"));
        let second = there.forward(&first, NOW).unwrap();
        let text = second.to_string();
        assert!(
            text.starts_with("SRS1=") && text.contains("=b.example=="),
            "{text}"
        );
        let third = further.forward(&second, NOW).unwrap();
        assert_eq!(third.local.as_str().len(), second.local.as_str().len());
        assert_eq!(further.reverse(&third.local, NOW), Ok(first.clone()));
        assert_eq!(there.reverse(&second.local, NOW), Ok(first.clone()));
        assert_eq!(here.reverse(&first.local, NOW), Ok(ada));
        // Letters in another case, and the days.
        let shouted = here.reverse(&local(&first), NOW + DAYS_MAX * DAY).unwrap();
        assert_eq!(shouted.to_string(), "\"ADA=X\"@a.example".replace('"', ""));
        let late = NOW + (DAYS_MAX + 1) * DAY;
        assert_eq!(here.reverse(&first.local, late), Err(Error::Expired));
        assert_eq!(here.reverse(&first.local, NOW - DAY), Err(Error::Expired));
    }

    #[test]
    fn what_was_not_made_here() {
        let here = Srs::new("b.example", &[b"secret"]);
        let ada = Address::parse("ada@a.example").unwrap();
        let made = here.forward(&ada, NOW).unwrap();
        let made = made.local.as_str();
        let newer = Srs::new("b.example", &[b"new", b"secret"]);
        assert_eq!(
            newer.reverse(&LocalPart::new(made).unwrap(), NOW),
            Ok(ada.clone())
        );
        for forged in [
            "ada",
            "SRS0=",
            "SRS0=abcdefgh=aa=a.example=ada",
            "SRS1=abcdefgh=a.example==x",
            &made.replace("ada", "bob"),
            &made.replace("a.example", "c.example"),
            &made.replace("SRS0", "SRS1"),
        ] {
            let forged = LocalPart::new(forged).unwrap();
            assert_eq!(here.reverse(&forged, NOW), Err(Error::NotOurs), "{forged}");
        }
        let none = Srs::new("b.example", &[]);
        assert_eq!(none.forward(&ada, NOW), Err(Error::NotOurs));
        let long = Address::parse(&format!("{}@a.example", "a".repeat(60))).unwrap();
        assert_eq!(here.forward(&long, NOW), Err(Error::TooLong));
    }
}
