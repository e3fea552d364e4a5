//! Parameters of MAIL and RCPT: `KEYWORD[=value]`, each at most once.
//!
//! RFC 5321 §4.1.2; RFC 1870, 3030, 3461, 4954, 6152, 6531, 8689.

use std::fmt;

use mail::{Address, BodyType, Notify, Ret, ReversePath};

use crate::Error;

/// Characters of ENVID (RFC 3461 §4.4).
const ENVID_CHARACTERS_MAX: usize = 100;
/// Characters of ORCPT (RFC 3461 §4.2).
const ORCPT_CHARACTERS_MAX: usize = 500;

/// The parameters of MAIL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailParameters {
    /// SIZE.
    pub size: Option<u64>,
    /// BODY; `None` where it is not said.
    pub body: Option<BodyType>,
    /// SMTPUTF8.
    pub smtputf8: bool,
    /// RET.
    pub ret: Option<Ret>,
    /// ENVID, decoded.
    pub envid: Option<String>,
    /// AUTH: who submitted it; `AUTH=<>` says that nobody knows.
    pub submitter: Option<ReversePath>,
    /// REQUIRETLS.
    pub requires_tls: bool,
}

impl MailParameters {
    /// Reads what stands behind the path.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let mut parameters = Self::default();
        for (keyword, value) in pairs(text) {
            parameters.take(keyword, value)?;
        }
        Ok(parameters)
    }

    fn take(&mut self, keyword: &str, value: Option<&str>) -> Result<(), Error> {
        match (keyword.to_ascii_uppercase().as_str(), value) {
            ("SIZE", value) => fill(&mut self.size, "SIZE", value.and_then(number)),
            ("BODY", value) => fill(&mut self.body, "BODY", value.and_then(body)),
            ("SMTPUTF8", None) if !self.smtputf8 => {
                self.smtputf8 = true;
                Ok(())
            }
            ("SMTPUTF8", _) => Err(Error::BadParameter("SMTPUTF8")),
            // RFC 8689 §2
            ("REQUIRETLS", None) if !self.requires_tls => {
                self.requires_tls = true;
                Ok(())
            }
            ("REQUIRETLS", _) => Err(Error::BadParameter("REQUIRETLS")),
            ("RET", value) => fill(&mut self.ret, "RET", value.and_then(ret)),
            ("ENVID", value) => fill(&mut self.envid, "ENVID", value.and_then(envid)),
            ("AUTH", value) => fill(&mut self.submitter, "AUTH", value.and_then(submitter)),
            _ => Err(Error::UnknownParameter(keyword.to_owned())),
        }
    }
}

impl fmt::Display for MailParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(size) = self.size {
            write!(f, " SIZE={size}")?;
        }
        match self.body {
            None => {}
            Some(BodyType::SevenBit) => f.write_str(" BODY=7BIT")?,
            Some(BodyType::EightBitMime) => f.write_str(" BODY=8BITMIME")?,
            Some(BodyType::BinaryMime) => f.write_str(" BODY=BINARYMIME")?,
        }
        if self.smtputf8 {
            f.write_str(" SMTPUTF8")?;
        }
        match self.ret {
            None => {}
            Some(Ret::Full) => f.write_str(" RET=FULL")?,
            Some(Ret::Headers) => f.write_str(" RET=HDRS")?,
        }
        if let Some(envid) = &self.envid {
            write!(f, " ENVID={}", Xtext(envid))?;
        }
        match &self.submitter {
            None => {}
            Some(ReversePath::Null) => f.write_str(" AUTH=<>")?,
            Some(ReversePath::Address(address)) => {
                write!(f, " AUTH={}", Xtext(&address.to_string()))?;
            }
        }
        match self.requires_tls {
            true => f.write_str(" REQUIRETLS"),
            false => Ok(()),
        }
    }
}

/// The parameters of RCPT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RcptParameters {
    pub(crate) notify: Option<Notify>,
    pub(crate) orcpt: Option<String>,
}

impl RcptParameters {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let mut parameters = Self::default();
        for (keyword, value) in pairs(text) {
            match (keyword.to_ascii_uppercase().as_str(), value) {
                ("NOTIFY", value) => {
                    fill(&mut parameters.notify, "NOTIFY", value.and_then(notify))?;
                }
                ("ORCPT", value) => fill(&mut parameters.orcpt, "ORCPT", value.and_then(orcpt))?,
                _ => return Err(Error::UnknownParameter(keyword.to_owned())),
            }
        }
        Ok(parameters)
    }
}

impl fmt::Display for RcptParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.notify {
            None => {}
            Some(Notify::Never) => f.write_str(" NOTIFY=NEVER")?,
            Some(Notify::On {
                success,
                failure,
                delay,
            }) => {
                let events = [(success, "SUCCESS"), (failure, "FAILURE"), (delay, "DELAY")];
                let words = events.into_iter().filter(|(on, _)| *on);
                let words: Vec<&str> = words.map(|(_, word)| word).collect();
                if !words.is_empty() {
                    write!(f, " NOTIFY={}", words.join(","))?;
                }
            }
        }
        match self
            .orcpt
            .as_deref()
            .and_then(|orcpt| orcpt.split_once(';'))
        {
            None => Ok(()),
            Some((kind, text)) => write!(f, " ORCPT={kind};{}", Xtext(text)),
        }
    }
}

fn pairs(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    text.split(' ')
        .filter(|word| !word.is_empty())
        .map(|word| match word.split_once('=') {
            Some((keyword, value)) => (keyword, Some(value)),
            None => (word, None),
        })
}

fn fill<T>(field: &mut Option<T>, name: &'static str, value: Option<T>) -> Result<(), Error> {
    match value {
        Some(value) if field.is_none() => {
            *field = Some(value);
            Ok(())
        }
        _ => Err(Error::BadParameter(name)),
    }
}

/// Up to 20 digits (RFC 1870 §3).
pub(crate) fn number(text: &str) -> Option<u64> {
    let digits = (1..=20).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

fn body(value: &str) -> Option<BodyType> {
    match value.to_ascii_uppercase().as_str() {
        "7BIT" => Some(BodyType::SevenBit),
        "8BITMIME" => Some(BodyType::EightBitMime),
        "BINARYMIME" => Some(BodyType::BinaryMime),
        _ => None,
    }
}

fn ret(value: &str) -> Option<Ret> {
    match value.to_ascii_uppercase().as_str() {
        "FULL" => Some(Ret::Full),
        "HDRS" => Some(Ret::Headers),
        _ => None,
    }
}

fn envid(value: &str) -> Option<String> {
    let fits = (1..=ENVID_CHARACTERS_MAX).contains(&value.len());
    decode_xtext(value).filter(|_| fits)
}

fn submitter(value: &str) -> Option<ReversePath> {
    if value == "<>" {
        return Some(ReversePath::Null);
    }
    let address = Address::parse(&decode_xtext(value)?).ok()?;
    Some(ReversePath::Address(address))
}

fn notify(value: &str) -> Option<Notify> {
    let value = value.to_ascii_uppercase();
    if value == "NEVER" {
        return Some(Notify::Never);
    }
    let (mut success, mut failure, mut delay) = (false, false, false);
    for word in value.split(',') {
        match word {
            "SUCCESS" => success = true,
            "FAILURE" => failure = true,
            "DELAY" => delay = true,
            _ => return None,
        }
    }
    Some(Notify::On {
        success,
        failure,
        delay,
    })
}

fn orcpt(value: &str) -> Option<String> {
    let (kind, text) = value.split_once(';')?;
    let atom = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    if kind.is_empty() || !kind.chars().all(atom) || value.len() > ORCPT_CHARACTERS_MAX {
        return None;
    }
    let text = decode_xtext(text).filter(|text| !text.is_empty())?;
    Some(format!("{kind};{text}"))
}

/// Text written as xtext (RFC 3461 §4): what may not stand for itself as `+` and two digits.
struct Xtext<'a>(&'a str);

impl fmt::Display for Xtext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            if !matches!(letter, '+' | '=' | ' ') && !letter.is_control() {
                fmt::Write::write_char(f, letter)?;
                continue;
            }
            for octet in letter.encode_utf8(&mut [0; 4]).bytes() {
                write!(f, "+{octet:02X}")?;
            }
        }
        Ok(())
    }
}

/// Reads xtext; letters beyond ASCII stand for themselves (RFC 6533 §3).
///
/// `None` where it is malformed or means control characters.
fn decode_xtext(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        match octet {
            b'+' => {
                let (high, low) = (hexadecimal(rest.next()?)?, hexadecimal(rest.next()?)?);
                octets.push(high * 16 + low);
            }
            b'=' => return None,
            plain => octets.push(plain),
        }
    }
    let decoded = String::from_utf8(octets).ok()?;
    let printable = !decoded.chars().any(char::is_control);
    printable.then_some(decoded)
}

/// The grammar has upper case only.
fn hexadecimal(octet: u8) -> Option<u8> {
    match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'A'..=b'F' => Some(octet - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xtext_reads_back() {
        for (wire, text) in [
            ("QQ314159", "QQ314159"),
            ("a+2Bb", "a+b"),
            ("x+3Dy+20z", "x=y z"),
        ] {
            assert_eq!(decode_xtext(wire).as_deref(), Some(text));
            assert_eq!(Xtext(text).to_string(), wire);
        }
        // Nothing can end the command it stands in.
        assert_eq!(Xtext("a\r\nb\u{85}").to_string(), "a+0D+0Ab+C2+85");
        for wrong in ["a=b", "a+2", "a+2b", "a+zz", "+0D+0A", "+FF"] {
            assert_eq!(decode_xtext(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn parameters_stand_once_and_say_what_they_may() {
        for (text, error) in [
            ("SIZE=1 size=2", Error::BadParameter("SIZE")),
            ("SIZE", Error::BadParameter("SIZE")),
            ("SIZE=+1", Error::BadParameter("SIZE")),
            ("BODY=9BIT", Error::BadParameter("BODY")),
            ("SMTPUTF8=yes", Error::BadParameter("SMTPUTF8")),
            ("RET=HEADERS", Error::BadParameter("RET")),
            ("AUTH=x", Error::BadParameter("AUTH")),
            ("X=1", Error::UnknownParameter("X".to_owned())),
        ] {
            assert_eq!(MailParameters::parse(text), Err(error), "{text}");
        }
        for wrong in ["NOTIFY=NEVER,DELAY", "NOTIFY=", "ORCPT=rfc822", "ORCPT=;a"] {
            assert!(RcptParameters::parse(wrong).is_err(), "{wrong}");
        }
        let huge = MailParameters::parse("SIZE=99999999999999999999").unwrap();
        assert_eq!(huge.size, Some(u64::MAX));
    }
}
