//! Authentication-Results (RFC 8601): what a server found when it checked who sent a message.
//!
//! Read or refused as a whole: of a field that is half understood nothing can be believed. Whether
//! to believe the server at all (RFC 8601 §5: its name must be one of our own) is not decided here.

use crate::scan::{Scan, is_space};

/// Results one field may have; a field with more is refused.
const RESULTS_MAX: usize = 100;
/// Properties one result may have; a field with more is refused.
const PROPERTIES_MAX: usize = 100;

/// The results of one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthenticationResults {
    /// The server's name, `authserv-id`, as written.
    pub server: String,
    /// The version of the format; 1 if the field does not say.
    pub version: u32,
    /// What was checked; empty for `none`.
    pub results: Vec<AuthenticationResult>,
}

/// The result of one check: `dkim=pass reason="good" header.d=example.org`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthenticationResult {
    /// `spf`, `dkim`, `dmarc`, … in lower case.
    pub method: String,
    /// The method's version; 1 if the field does not say.
    pub version: u32,
    /// `pass`, `fail`, `none`, … in lower case.
    pub result: String,
    /// Why, in the server's words.
    pub reason: Option<String>,
    /// What was checked.
    pub properties: Vec<AuthenticationProperty>,
}

/// `header.d=example.org`: the part of the message, its property, and the value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthenticationProperty {
    /// `smtp`, `header`, `body`, `policy` in lower case; empty where the server left it out.
    pub kind: String,
    /// The field or command looked at, in lower case.
    pub name: String,
    /// The value, without its quotes.
    pub value: String,
}

impl AuthenticationResults {
    /// Reads a field's value; `None` if it does not follow the grammar (RFC 8601 §2.2).
    ///
    /// Beyond the grammar, values may hold any visible character and properties may lack their
    /// kind, as large providers write them.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut scan = Scan::new(value);
        scan.skip_space();
        let server = text(&mut scan)?;
        scan.skip_space();
        let version = number(&mut scan)?;
        scan.skip_space();
        let mut results = Vec::new();
        let mut none = false;
        while scan.take(b';') {
            scan.skip_space();
            if matches!(scan.peek(), None | Some(b';')) {
                continue;
            }
            match result(&mut scan)? {
                Some(result) => results.push(result),
                None => none = true,
            }
            if results.len() > RESULTS_MAX || (none && !results.is_empty()) {
                return None;
            }
        }
        let said = none || !results.is_empty();
        let whole = scan.rest().is_empty() && !scan.unended && said;
        whole.then_some(Self {
            server,
            version,
            results,
        })
    }
}

// RFC 8601 §2.2
/// Reads up to the next semicolon; `Some(None)` for `none`.
fn result(scan: &mut Scan<'_>) -> Option<Option<AuthenticationResult>> {
    let method = keyword(scan)?;
    scan.skip_space();
    let version = if scan.take(b'/') {
        scan.skip_space();
        number(scan)?
    } else {
        1
    };
    scan.skip_space();
    if !scan.take(b'=') {
        let ended = matches!(scan.peek(), None | Some(b';'));
        return (ended && method == "none").then_some(None);
    }
    scan.skip_space();
    let mut one = AuthenticationResult {
        method,
        version,
        result: keyword(scan)?,
        ..AuthenticationResult::default()
    };
    while scan.skip_space() && !matches!(scan.peek(), None | Some(b';')) {
        let first = keyword(scan)?;
        scan.skip_space();
        let (kind, name) = if scan.take(b'.') {
            scan.skip_space();
            let name = keyword(scan)?;
            scan.skip_space();
            (first, name)
        } else {
            (String::new(), first)
        };
        scan.take(b'=').then_some(())?;
        scan.skip_space();
        let value = text(scan)?;
        if kind.is_empty() && name == "reason" && one.reason.is_none() {
            one.reason = Some(value);
        } else {
            one.properties
                .push(AuthenticationProperty { kind, name, value });
        }
        if one.properties.len() > PROPERTIES_MAX {
            return None;
        }
    }
    matches!(scan.peek(), None | Some(b';')).then_some(Some(one))
}

/// Letters, digits and hyphens, in lower case; underscores as the world has them.
fn keyword(scan: &mut Scan<'_>) -> Option<String> {
    let word = scan
        .until(|octet| !octet.is_ascii_alphanumeric() && octet != b'-' && octet != b'_')
        .to_ascii_lowercase();
    let word = String::from_utf8(word).ok()?;
    (!word.is_empty()).then_some(word)
}

/// A number, or 1 where there is none.
fn number(scan: &mut Scan<'_>) -> Option<u32> {
    let digits = scan.until(|octet| !octet.is_ascii_digit());
    if digits.is_empty() {
        return Some(1);
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A value: visible characters and quoted strings up to white space, a comment or a semicolon.
fn text(scan: &mut Scan<'_>) -> Option<String> {
    let before = scan.rest().len();
    let mut value = Vec::new();
    loop {
        let plain = scan.until(|octet| matches!(octet, b';' | b'(' | b'"') || is_space(octet));
        value.extend_from_slice(plain);
        if !scan.take(b'"') {
            break;
        }
        value.extend(scan.quoted());
    }
    let value = String::from_utf8(value).ok()?;
    let fits = scan.rest().len() < before && !value.contains(char::is_control);
    fits.then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &str) -> Option<String> {
        let read = AuthenticationResults::parse(value.as_bytes())?;
        let mut text = format!("{}/{}", read.server, read.version);
        for one in read.results {
            text += &format!(" {}/{}={}", one.method, one.version, one.result);
            text += &one
                .reason
                .map_or_else(String::new, |reason| format!("({reason})"));
            for property in one.properties {
                text += &format!(" {}.{}={}", property.kind, property.name, property.value);
            }
        }
        Some(text)
    }

    // RFC 8601 appendix B.
    #[test]
    fn the_examples_of_rfc_8601() {
        let cases = [
            ("example.org 1; none", "example.org/1"),
            (
                "example.com;\r\n spf=pass smtp.mailfrom=example.net",
                "example.com/1 spf/1=pass smtp.mailfrom=example.net",
            ),
            (
                "example.com;\r\n auth=pass (cram-md5) smtp.auth=sender@example.net;\r\n \
                 spf=pass smtp.mailfrom=example.net",
                "example.com/1 auth/1=pass smtp.auth=sender@example.net spf/1=pass \
                 smtp.mailfrom=example.net",
            ),
            (
                "example.com; dkim=pass reason=\"good signature\"\r\n \
                 header.i=@mail-router.example.net;\r\n dkim=fail reason=\"bad signature\"\r\n \
                 header.i=@newyork.example.com",
                "example.com/1 dkim/1=pass(good signature) header.i=@mail-router.example.net \
                 dkim/1=fail(bad signature) header.i=@newyork.example.com",
            ),
            (
                "foo.example.net (foobar) 1 (baz);\r\n dkim (Because I like it) / 1 (One yay) = \
                 (wait for it) fail\r\n policy (A dot can go here) . (like that) expired\r\n \
                 (this surprised me) = (as I wasn't expecting it) 1362471462",
                "foo.example.net/1 dkim/1=fail policy.expired=1362471462",
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(shown(value).as_deref(), Some(expected), "{value}");
        }
    }

    #[test]
    fn what_providers_write() {
        let cases = [
            (
                "mx.example; dkim=pass header.i=@a.example header.s=s1 header.b=Ab/+c=; arc=none;",
                "mx.example/1 dkim/1=pass header.i=@a.example header.s=s1 header.b=Ab/+c= \
                 arc/1=none",
            ),
            (
                "spf.example; compauth=pass reason=100; dmarc=none action=none header.from=a",
                "spf.example/1 compauth/1=pass(100) dmarc/1=none .action=none header.from=a",
            ),
            (
                "m; iprev=pass policy.iprev=2001:db8::1 smtp.mailfrom=\"a; b\"@c",
                "m/1 iprev/1=pass policy.iprev=2001:db8::1 smtp.mailfrom=a; b@c",
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(shown(value).as_deref(), Some(expected), "{value}");
        }
    }

    #[test]
    fn half_a_field_is_none() {
        let many = format!("a; {}", "spf=pass;".repeat(RESULTS_MAX + 1));
        let wide = format!("a; spf=pass {}", "a.b=c ".repeat(PROPERTIES_MAX + 1));
        for value in [
            "",
            "example.org",
            "example.org;",
            "; spf=pass",
            "example.org; spf",
            "example.org; spf=",
            "example.org; spf=pass (open",
            "example.org; spf=pass smtp.mailfrom=\"open",
            "example.org; spf=pass junk",
            "example.org; spf=pass; none",
            "example.org x; spf=pass",
            "example.org 99999999999; spf=pass",
            "example.org; spf=pass smtp.mailfrom=a\u{1}b",
            &many,
            &wide,
        ] {
            assert_eq!(shown(value), None, "{value}");
        }
    }
}
