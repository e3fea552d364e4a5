//! Authentication-Results (RFC 8601): what a server found when it checked who sent a message.
//!
//! Read or refused as a whole: of a field that is half understood nothing can be believed.
//!
//! Not here: whether to believe the server at all (§4.1: its name must be one that is known and
//! trusted; §5: strangers' fields with such a name are deleted), and which methods, versions of
//! methods, results and kinds of properties mean something (§2.6, §4.1: the others are ignored).

use crate::scan::{Scan, is_space};

/// The version of the format that is known (RFC 8601 §2.2).
const VERSION: u32 = 1;
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
    /// What was checked; empty for `none`, and in any version but 1, of which nothing else is known
    /// (RFC 8601 §2.6).
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
    /// Beyond the grammar, values may hold any visible character, properties may lack their kind,
    /// and statements may be empty, as large providers write them.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut scan = Scan::new(value);
        scan.skip_space();
        // What has an equals sign is a statement whose server is missing.
        let server = text(&mut scan, |octet| octet == b'=')?;
        let mut version = VERSION;
        if scan.skip_space() && scan.peek().is_some_and(|octet| octet.is_ascii_digit()) {
            version = number(&mut scan)?;
            scan.skip_space();
        }
        if scan.peek() != Some(b';') {
            return None;
        }
        let results = if version == VERSION {
            results(&mut scan)?
        } else {
            Vec::new()
        };
        Some(Self {
            server,
            version,
            results,
        })
    }
}

/// Columns a line of a field has at most (RFC 5322 §2.1.1), the field's name included.
const COLUMNS_MAX: usize = 78;
/// Columns of `Authentication-Results: `.
const NAME_COLUMNS: usize = 24;

impl AuthenticationResults {
    // RFC 8601 §2.2
    /// Writes a field's value, each result on a line of its own. Control characters are left out.
    #[must_use]
    pub fn write(&self) -> String {
        let mut field = Folded {
            text: String::new(),
            column: NAME_COLUMNS,
        };
        let server = match self.server.contains('=') {
            true => quoted(&self.server),
            false => value(&self.server),
        };
        field.push(&server);
        if self.version != VERSION {
            field.push(&format!(" {}", self.version));
        }
        if self.results.is_empty() {
            field.push("; none");
        }
        for one in &self.results {
            field.push(";");
            field.fold();
            field.push(&one.method);
            if one.version != 1 {
                field.push(&format!("/{}", one.version));
            }
            field.push(&format!("={}", one.result));
            if let Some(reason) = &one.reason {
                field.word(&format!("reason={}", quoted(reason)));
            }
            for property in &one.properties {
                let dot = if property.kind.is_empty() { "" } else { "." };
                let (kind, name) = (&property.kind, &property.name);
                field.word(&format!("{kind}{dot}{name}={}", value(&property.value)));
            }
        }
        field.text
    }
}

/// A value that is being written.
struct Folded {
    text: String,
    column: usize,
}

impl Folded {
    fn push(&mut self, text: &str) {
        self.text += text;
        self.column += text.chars().count();
    }

    fn fold(&mut self) {
        self.text += "\r\n\t";
        self.column = 8;
    }

    /// Adds a word behind a space or a line end.
    fn word(&mut self, word: &str) {
        if self.column + 1 + word.chars().count() >= COLUMNS_MAX {
            self.fold();
        } else {
            self.push(" ");
        }
        self.push(word);
    }
}

/// A value as it may stand alone: a token, a name or an address; anything else in quotes.
fn value(text: &str) -> String {
    let plain = |octet: u8| {
        octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~/=:@".contains(&octet) || octet >= 0x80
    };
    match !text.is_empty() && text.bytes().all(plain) {
        true => text.to_owned(),
        false => quoted(text),
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars().filter(|letter| !letter.is_control()) {
        if matches!(letter, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted + "\""
}

/// Reads all statements; empty if the only one is `none`.
fn results(scan: &mut Scan<'_>) -> Option<Vec<AuthenticationResult>> {
    let mut results = Vec::new();
    let mut none = false;
    while scan.take(b';') {
        scan.skip_space();
        if matches!(scan.peek(), None | Some(b';')) {
            continue;
        }
        // `none` stands alone.
        if none {
            return None;
        }
        match result(scan)? {
            Some(result) => results.push(result),
            None => none = true,
        }
        if results.len() > RESULTS_MAX || (none && !results.is_empty()) {
            return None;
        }
    }
    let said = none || !results.is_empty();
    (scan.rest().is_empty() && !scan.unended && said).then_some(results)
}

// RFC 8601 §2.2
/// Reads up to the next semicolon; `Some(None)` for `none`.
fn result(scan: &mut Scan<'_>) -> Option<Option<AuthenticationResult>> {
    let method = keyword(scan)?;
    scan.skip_space();
    if method == "none" && matches!(scan.peek(), None | Some(b';')) {
        return Some(None);
    }
    let mut version = 1;
    if scan.take(b'/') {
        scan.skip_space();
        version = number(scan)?;
        scan.skip_space();
    }
    scan.take(b'=').then_some(())?;
    scan.skip_space();
    let mut one = AuthenticationResult {
        method,
        version,
        result: keyword(scan)?,
        ..AuthenticationResult::default()
    };
    let mut spaced = scan.skip_space();
    while !matches!(scan.peek(), None | Some(b';')) {
        // Between properties nothing need stand where quotes end the value.
        spaced.then_some(())?;
        property(scan, &mut one)?;
        spaced = true;
        scan.skip_space();
        if one.properties.len() > PROPERTIES_MAX {
            return None;
        }
    }
    Some(Some(one))
}

/// Reads `reason=value` or `kind.name=value`.
fn property(scan: &mut Scan<'_>, one: &mut AuthenticationResult) -> Option<()> {
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
    if kind.is_empty() && name == "reason" && one.reason.is_none() {
        one.reason = Some(text(scan, |_| false)?);
        return Some(());
    }
    let value = identity(scan)?;
    one.properties
        .push(AuthenticationProperty { kind, name, value });
    Some(())
}

/// Letters, digits and hyphens, in lower case; underscores as the world has them.
fn keyword(scan: &mut Scan<'_>) -> Option<String> {
    let word = scan
        .until(|octet| !octet.is_ascii_alphanumeric() && octet != b'-' && octet != b'_')
        .to_ascii_lowercase();
    let word = String::from_utf8(word).ok()?;
    (!word.is_empty()).then_some(word)
}

/// A number; `None` if there is none, or none that fits.
fn number(scan: &mut Scan<'_>) -> Option<u32> {
    let digits = scan.until(|octet| !octet.is_ascii_digit());
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A property's value, which may be an address: white space and comments before its `@` go.
fn identity(scan: &mut Scan<'_>) -> Option<String> {
    let value = text(scan, |_| false)?;
    let mut behind = scan.clone();
    if !behind.skip_space() || behind.peek() != Some(b'@') {
        return Some(value);
    }
    *scan = behind;
    Some(value + &text(scan, |_| false)?)
}

/// A value: visible characters up to white space, a comment, a semicolon or what `ends` it. A
/// quoted string may begin it, or a word of the local part of an address.
fn text(scan: &mut Scan<'_>, ends: impl Fn(u8) -> bool) -> Option<String> {
    let before = scan.rest().len();
    let mut value = Vec::new();
    loop {
        let plain = scan
            .until(|octet| matches!(octet, b';' | b'(' | b'"') || is_space(octet) || ends(octet));
        value.extend_from_slice(plain);
        if !matches!(value.last(), None | Some(b'.')) || !scan.take(b'"') {
            break;
        }
        value.extend(scan.quoted());
        if !matches!(scan.peek(), Some(b'@' | b'.')) {
            break;
        }
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

    // RFC 8601 §2.2.
    #[test]
    fn results_are_read_as_they_were_written() {
        let results = AuthenticationResults {
            server: "mx.example".to_owned(),
            version: 1,
            results: vec![
                AuthenticationResult {
                    method: "dkim".to_owned(),
                    version: 1,
                    result: "fail".to_owned(),
                    reason: Some("\"so\"; (it) \\seems".to_owned()),
                    properties: [
                        ("header", "d", "a.example"),
                        ("header", "b", "Ab/+c="),
                        ("policy", "iprev", "2001:db8::1"),
                        ("smtp", "mailfrom", "a; b@\u{e4}.example"),
                        ("", "action", ""),
                    ]
                    .map(|(kind, name, value)| AuthenticationProperty {
                        kind: kind.to_owned(),
                        name: name.to_owned(),
                        value: value.to_owned(),
                    })
                    .to_vec(),
                },
                AuthenticationResult {
                    method: "spf".to_owned(),
                    version: 2,
                    result: "pass".to_owned(),
                    ..AuthenticationResult::default()
                },
            ],
        };
        let written = results.write();
        assert_eq!(
            AuthenticationResults::parse(written.as_bytes()),
            Some(results)
        );
        assert!(
            written.lines().skip(1).all(|line| line.len() < COLUMNS_MAX),
            "{written}"
        );
        let none = AuthenticationResults::parse(b"mx.example; none").unwrap_or_default();
        assert_eq!(none.write(), "mx.example; none");
        let hostile = AuthenticationResults {
            server: "a\r\nSubject: b".to_owned(),
            ..none
        };
        assert_eq!(hostile.write(), "\"aSubject: b\"; none");
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

    // RFC 8601 §2.2.
    #[test]
    fn fields_by_the_grammar() {
        let cases = [
            ("mx.example 1;none", "mx.example/1"),
            (
                "(a (b)) mx.example (c)1(d) ;\r\n (e) NONE (f)",
                "mx.example/1",
            ),
            ("\"mx; one\" ; none", "mx; one/1"),
            ("münchen.example; spf=none", "münchen.example/1 spf/1=none"),
            ("mx.example/q-17; spf=none", "mx.example/q-17/1 spf/1=none"),
            (
                "mx.example;DKIM-ATPS=Pass Header.From=list.example",
                "mx.example/1 dkim-atps/1=pass header.from=list.example",
            ),
            (
                "mx.example; dkim / (v) 2 = fail reason = \"key; gone\" header . d = a.example",
                "mx.example/1 dkim/2=fail(key; gone) header.d=a.example",
            ),
            (
                "mx.example; dkim=fail(no)reason=expired(yes)header.d=a.example(x);spf=none",
                "mx.example/1 dkim/1=fail(expired) header.d=a.example spf/1=none",
            ),
            (
                "mx.example; iprev=pass policy.iprev=\"2001:db8::25\"",
                "mx.example/1 iprev/1=pass policy.iprev=2001:db8::25",
            ),
            (
                "mx.example; auth=pass smtp.auth=ada smtp.mailfrom=ada@a.example; rrvs=fail \
                 smtp.rcptto=\"b c\"@b.example",
                "mx.example/1 auth/1=pass smtp.auth=ada smtp.mailfrom=ada@a.example rrvs/1=fail \
                 smtp.rcptto=b c@b.example",
            ),
            (
                "mx.example; dkim=pass header.i=@a.example header.s=\"\"header.b=\"x/y\"",
                "mx.example/1 dkim/1=pass header.i=@a.example header.s= header.b=x/y",
            ),
            (
                "mx.example; spf=pass smtp.mailfrom=ada (who?)\r\n @a.example; x=y a.b=c.\"d\"@e",
                "mx.example/1 spf/1=pass smtp.mailfrom=ada@a.example x/1=y a.b=c.d@e",
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(shown(value).as_deref(), Some(expected), "{value}");
        }
    }

    // RFC 8601 §2.6: of a version that is not known only the version is known.
    #[test]
    fn another_version_says_no_more() {
        for value in [
            "mx.example 2; spf=pass",
            "mx.example 2;; =?\"(",
            "m 0; none",
        ] {
            let read = AuthenticationResults::parse(value.as_bytes()).unwrap();
            assert_ne!(read.version, 1, "{value}");
            assert_eq!(read.results, [], "{value}");
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
            "example.org; none; spf=pass",
            "example.org; none; none",
            "example.org; none/1",
            "example.org; none a.b=c",
            "spf=pass; dkim=pass",
            "example.org 2",
            "\"example.org\"1; none",
            "example.org 1 1; none",
            "example.org; dkim/=pass",
            "example.org; dkim/x=pass",
            "example.org; =pass",
            "example.org; dkim=pass header.d",
            "example.org; dkim=pass header.=a",
            "example.org; dkim=pass .d=a",
            "example.org; dkim=pass header.d=",
            "example.org; dkim=pass header.d=a\"b\"",
            "example.org; dkim=pass header.d=\"a\"b.c=d\"e\"",
            "example.org; dkim=pass reason=two words",
            "example.org; dkim=\"pass\"",
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
