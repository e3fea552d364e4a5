//! Expressions that look for fields of the header, as tests of these fields.
//!
//! procmailrc(5), MISCELLANEOUS: what `^TO_`, `^TO`, `^FROM_DAEMON` and `^FROM_MAILER` stand for.

use super::area::{Area, compare};
use super::pattern::{Node, Pattern, after};
use super::script::{How, Keys, Test};

/// Fields that one expression may name.
const FIELDS_MAX: usize = 64;
/// Steps that finding them may need.
const STEPS_MAX: usize = 5_000;

/// Letters that stand for `^FROM_DAEMON` and `^FROM_MAILER` in an expression.
const DAEMON: char = '\u{f8f0}';
const MAILER: char = '\u{f8f1}';

const TO_: &str = "(^((Original-)?(Resent-)?(To|Cc|Bcc)|(X-Envelope|Apparently(-Resent)?)-To)\
    :(.*[^-a-zA-Z0-9_.])?)";
const TO: &str = "(^((Original-)?(Resent-)?(To|Cc|Bcc)|(X-Envelope|Apparently(-Resent)?)-To)\
    :(.*[^a-zA-Z])?)";
const DAEMONS: &str = "Post(ma?(st(e?r)?|n)|office)|(send)?Mail(er)?|daemon|m(mdf|ajordomo)|\
    n?uucp|LIST(SERV|proc)|NETSERV|o(wner|ps)|r(e(quest|sponse)|oot)|b(ounce|bs\\.smtp)|echo|\
    mirror|s(erv(ices?|er)|mtp(error)?|ystem)|A(dmin(istrator)?|MMGR|utoanswer)";
const MAILERS: &str = "Post(ma(st(er)?|n)|office)|(send)?Mail(er)?|daemon|mmdf|n?uucp|ops|\
    r(esponse|oot)|(bbs\\.)?smtp(error)?|s(erv(ices?|er)|ystem)|A(dmin(istrator)?|MMGR)";

/// Puts in what procmail's own names stand for.
pub(super) fn named(text: &str) -> String {
    text.replace("^FROM_DAEMON", DAEMON.encode_utf8(&mut [0; 4]))
        .replace("^FROM_MAILER", MAILER.encode_utf8(&mut [0; 4]))
        .replace("^TO_", TO_)
        .replace("^TO", TO)
}

/// True if procmail's own names stand in an expression.
pub(super) fn is_macro(pattern: &Pattern) -> bool {
    let mut nodes = pattern.iter().flatten();
    nodes.any(|node| match node {
        Node::Char(letter) => [DAEMON, MAILER].contains(letter),
        Node::Group(ways) => is_macro(ways),
        _ => false,
    })
}

/// Which fields are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Field {
    Named(String),
    /// The line `From ` that mailers put before the header.
    Sender,
    /// No colon: all fields whose names begin so.
    Begins(String),
    Macro(char),
}

/// A test of fields.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) test: Test,
    /// What `MATCH` is, with `${…}` for what the test leaves behind.
    pub(super) matched: Option<String>,
    pub(super) notes: Vec<String>,
}

/// What an expression over the header asks.
///
/// # Errors
/// In words, if no test of fields says the same.
pub(super) fn header(pattern: &Pattern, exact: bool) -> Result<Found, String> {
    let mut search = Search {
        found: Vec::new(),
        steps: STEPS_MAX,
        notes: Vec::new(),
    };
    for way in pattern {
        search.walk(way, &Place::default())?;
    }
    let mut tests = Vec::new();
    let mut matched: Option<String> = None;
    for (field, rest) in &search.found {
        let (more, group) = test(field, rest, exact)?;
        tests.extend(more);
        match (&matched, group) {
            (Some(known), Some(new)) if *known != new => {
                return Err("`\\/` stands in an alternative".to_owned());
            }
            (_, Some(new)) => matched = Some(new),
            (_, None) => {}
        }
    }
    let test = Test::any(tests);
    if matched.is_some() && matches!(test, Test::Any(_)) {
        return Err("`\\/` stands in an alternative".to_owned());
    }
    Ok(Found {
        test,
        matched,
        notes: search.notes,
    })
}

/// How much of a field's name was read.
#[derive(Clone, Debug, Default)]
struct Place {
    name: String,
    anchored: bool,
}

struct Search {
    found: Vec<(Field, Vec<Node>)>,
    steps: usize,
    notes: Vec<String>,
}

/// Fields that people leave the colon of away.
const COLONLESS: &[&str] = &[
    "From",
    "Sender",
    "Subject",
    "To",
    "Cc",
    "Reply-To",
    "Return-Path",
    "Received",
    "Delivered-To",
    "List-Id",
    "Mailing-List",
    "X-Mailing-List",
    "Message-Id",
    "Precedence",
    "X-Mailer",
    "X-Loop",
    "Content-Type",
];

const ANYWHERE: &str = "it is looked for in the whole header, and scripts look at fields by name";

impl Search {
    fn walk(&mut self, nodes: &[Node], place: &Place) -> Result<(), String> {
        self.steps = self.steps.saturating_sub(1);
        if self.steps == 0 || self.found.len() > FIELDS_MAX {
            return Err("it has too many alternatives".to_owned());
        }
        let Some((first, rest)) = nodes.split_first() else {
            return self.colonless(nodes, place);
        };
        let is_begin = place.name.is_empty();
        match first {
            Node::Start if is_begin && !place.anchored => {
                let place = Place {
                    anchored: true,
                    ..Place::default()
                };
                self.walk(rest, &place)
            }
            // The very start is the line that mailers put there.
            Node::Edge if is_begin && !place.anchored => {
                let begins =
                    |letter: &Node| *letter == Node::Char('F') || *letter == Node::Char('f');
                match rest.first().is_some_and(begins) {
                    true => self.walk(&[&[Node::Start], rest].concat(), place),
                    false => Err("it looks at the first line".to_owned()),
                }
            }
            Node::Group(ways) => ways
                .iter()
                .try_for_each(|way| self.walk(&[way, rest].concat(), place)),
            Node::Repeat {
                node,
                once: false,
                many: false,
            } => {
                self.walk(rest, place)?;
                self.walk(&[std::slice::from_ref(&**node), rest].concat(), place)
            }
            Node::Char(letter) if [DAEMON, MAILER].contains(letter) && is_begin => {
                if rest.is_empty() {
                    self.found.push((Field::Macro(*letter), Vec::new()));
                    return Ok(());
                }
                Err("something follows procmail's own name".to_owned())
            }
            Node::Char(letter) => self.letter(*letter, rest, place),
            Node::Class {
                negated: false,
                ranges,
            } if !is_begin || place.anchored => {
                let members = members(ranges).ok_or("a field's name is not told apart")?;
                members
                    .into_iter()
                    .try_for_each(|letter| self.letter(letter, rest, place))
            }
            // Anything may stand before what is looked for anywhere.
            _ if is_begin && !place.anchored && *first == Node::anything() => {
                self.walk(rest, place)
            }
            _ => self.colonless(nodes, place),
        }
    }

    fn letter(&mut self, letter: char, rest: &[Node], place: &Place) -> Result<(), String> {
        let mut place = place.clone();
        match letter {
            ':' if !place.name.is_empty() => {
                if !place.anchored {
                    self.note(format!("taken for the field {}, as with `^`", place.name));
                }
                self.push(Field::Named(place.name), rest);
                Ok(())
            }
            ' ' if place.name.eq_ignore_ascii_case("from") && place.anchored => {
                self.push(Field::Sender, rest);
                Ok(())
            }
            '!'..='~' if letter != ':' => {
                // `>From ` is what programs make of such a line in a body.
                if letter == '>' && place.name.is_empty() && place.anchored {
                    return Ok(());
                }
                place.name.push(letter);
                self.walk(rest, &place)
            }
            _ => Err(ANYWHERE.to_owned()),
        }
    }

    /// The name has ended without a colon.
    fn colonless(&mut self, rest: &[Node], place: &Place) -> Result<(), String> {
        if !place.anchored || place.name.is_empty() {
            return Err(ANYWHERE.to_owned());
        }
        let open = rest.first().is_none_or(|node| {
            *node == Node::anything()
                || matches!(node, Node::Class { negated: true, .. } | Node::Border)
        });
        let is_known = COLONLESS
            .iter()
            .any(|name| name.eq_ignore_ascii_case(&place.name));
        if !open || !is_known {
            return Err("which fields it means is not told apart".to_owned());
        }
        let name = place.name.clone();
        let is_from = name.eq_ignore_ascii_case("from");
        let what = if is_from {
            "the sender and the field"
        } else {
            "the field"
        };
        self.note(format!("has no colon: taken for {what} {name}"));
        self.push(Field::Begins(name), rest);
        Ok(())
    }

    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn push(&mut self, field: Field, rest: &[Node]) {
        let same = |other: &Field| match (&field, other) {
            (Field::Named(one), Field::Named(other)) => one.eq_ignore_ascii_case(other),
            (one, other) => one == other,
        };
        let known = self
            .found
            .iter()
            .any(|(one, known)| same(one) && known == rest);
        if !known {
            self.found.push((field, rest.to_vec()));
        }
    }
}

/// The letters of a small set.
fn members(ranges: &[(char, char)]) -> Option<Vec<char>> {
    let mut all = Vec::new();
    for &(from, to) in ranges {
        all.extend((from..=to).take(9));
    }
    (all.len() <= 8).then_some(all)
}

type Tests = (Vec<Test>, Option<String>);

fn test(field: &Field, rest: &[Node], exact: bool) -> Result<Tests, String> {
    match field {
        Field::Named(name) => named_field(name, rest, exact),
        Field::Sender => sender(&vec![rest.to_vec()], exact),
        Field::Begins(name) => {
            let behind: Pattern = match rest {
                [] => vec![Vec::new()],
                rest => after(rest, ':'),
            };
            // `.*x` may begin behind the colon as well.
            let mut tests = Vec::new();
            let mut matched = None;
            if name.eq_ignore_ascii_case("from") {
                let ways: Pattern = match rest {
                    [] => vec![Vec::new()],
                    rest => after(rest, ' '),
                };
                let (more, group) = sender(&ways, exact)?;
                tests.extend(more);
                matched = group;
            }
            for way in behind {
                let (more, group) = named_field(name, &way, exact)?;
                tests.extend(more);
                matched = matched.or(group);
            }
            Ok((tests, matched))
        }
        Field::Macro(letter) => Ok((from_programs(*letter), None)),
    }
}

fn named_field(name: &str, rest: &[Node], exact: bool) -> Result<Tests, String> {
    let is_there = match rest {
        [] => true,
        [one] | [one, Node::End] => *one == Node::anything(),
        _ => false,
    };
    if is_there {
        return Ok((vec![Test::Exists(name.to_owned())], None));
    }
    // Fields are written with a space behind the colon, and values come without it.
    let mut ways = after(rest, ' ');
    if ways.is_empty() && *rest == [Node::End] {
        ways = vec![vec![Node::End]];
    }
    if ways.is_empty() {
        return Err("it is found only where no space follows the field's colon".to_owned());
    }
    let begins = rest.first() == Some(&Node::Split);
    let found = compare(&ways, Area::Line { anchored: true }, exact)?;
    let matched = found.captured.map(|group| {
        let space = if begins { " " } else { "" };
        format!("{space}${{{group}}}")
    });
    Ok((
        vec![Test::Header(vec![name.to_owned()], found.keys)],
        matched,
    ))
}

/// What the line `From ` says: who has sent it, and when.
fn sender(ways: &Pattern, exact: bool) -> Result<Tests, String> {
    let ends = |way: &Vec<Node>| matches!(way.last(), Some(Node::End | Node::Edge));
    if ways.is_empty() || ways.iter().any(ends) {
        return Err("it looks at the date of the line `From `".to_owned());
    }
    let found = compare(ways, Area::Line { anchored: true }, exact)?;
    let matched = found.captured.map(|group| format!("${{{group}}}"));
    let mut tests = Vec::new();
    let nobody = |key: &String| key.to_ascii_lowercase().contains("mailer-daemon");
    if found.keys.keys.iter().any(nobody) {
        tests.push(from_nobody());
    }
    tests.push(Test::Sender(found.keys));
    Ok((tests, matched))
}

/// Mailers write `From MAILER-DAEMON` where there is no sender.
fn from_nobody() -> Test {
    Test::Sender(Keys {
        how: How::Is,
        keys: vec![String::new()],
        exact: false,
    })
}

/// What `^FROM_DAEMON` and `^FROM_MAILER` look for.
fn from_programs(letter: char) -> Vec<Test> {
    let keys = |how: How, keys: &[&str]| Keys {
        how,
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        exact: false,
    };
    let header = |names: &[&str], keys: Keys| {
        Test::Header(names.iter().map(|name| (*name).to_owned()).collect(), keys)
    };
    let mut tests = Vec::new();
    if letter == DAEMON {
        tests.push(Test::Exists("Mailing-List".to_owned()));
        let kinds = keys(How::Contains, &["junk", "bulk", "list"]);
        tests.push(header(&["Precedence"], kinds));
        let many = keys(How::Matches, &["Multiple recipients of *"]);
        tests.push(header(&["To"], many));
    }
    let who = if letter == DAEMON { DAEMONS } else { MAILERS };
    let expression = format!(
        "^([^>]*[^(.%@a-z0-9])?({who})\
         (([^).!:a-z0-9][-_a-z0-9]*)?[%@>\\t ][^<)]*(\\(.*\\).*)?)?$"
    );
    let fields = [
        "From",
        "Sender",
        "Resent-From",
        "Resent-Sender",
        "X-Envelope-From",
    ];
    tests.push(header(&fields, keys(How::Regex, &[&expression])));
    tests.push(from_nobody());
    tests.push(Test::Sender(keys(How::Regex, &[&expression])));
    tests
}

#[cfg(test)]
mod tests {
    use super::super::pattern::read;
    use super::super::script::{Step, write};
    use super::super::words::Piece;
    use super::*;

    fn said(text: &str) -> String {
        let pattern = read(&[Piece::Text(named(text))]).unwrap().pattern;
        match header(&pattern, false) {
            Ok(found) => {
                let script = write(&[Step::If(vec![(found.test, Vec::new())])]);
                let at = script.find("if ").unwrap();
                let test = script[at + 3..].trim_end().trim_end_matches("{\n}");
                let matched = found.matched.map(|text| format!("MATCH {text}"));
                format!("{test}{}", matched.unwrap_or_default())
                    .trim_end()
                    .to_owned()
            }
            Err(why) => why,
        }
    }

    #[test]
    fn fields_are_tested_by_name() {
        for (text, expected) in [
            ("^Subject:.*foo", r#"header :contains "Subject" "foo""#),
            ("^Subject: foo", r#"header :matches "Subject" "foo*""#),
            (
                "^Subject:[ \t]*foo$",
                r#"header :regex "Subject" "^[ \\t]*foo$""#,
            ),
            ("^X-Spam-Flag: YES$", r#"header :is "X-Spam-Flag" "YES""#),
            ("^X-Loop:", r#"exists "X-Loop""#),
            (
                "^(From|Sender):.*ada@example.org",
                r#"header :contains ["From", "Sender"] "ada@example.org""#,
            ),
            (
                "^(To|Cc):.*(one|two)",
                r#"header :contains ["To", "Cc"] ["one", "two"]"#,
            ),
            (
                "^From:.*a|^Subject:.*b",
                "anyof(header :contains \"From\" \"a\",\n    header :contains \"Subject\" \"b\")",
            ),
            (
                "^(Resent-)?To:.*x",
                r#"header :contains ["To", "Resent-To"] "x""#,
            ),
            ("^From ada@", r#"envelope :matches "from" "ada@*""#),
            (
                "^From.*peter",
                "anyof(envelope :contains \"from\" \"peter\",\n    \
                 header :contains \"From\" \"peter\")",
            ),
            (
                "^From[ :].*x",
                "anyof(envelope :contains \"from\" \"x\",\n    header :contains \"From\" \"x\")",
            ),
            ("^Sender.*owner-x", r#"header :contains "Sender" "owner-x""#),
            ("X-Mailer: Spam", r#"header :matches "X-Mailer" "Spam*""#),
            (
                r"^List-Id:.*<\/[^.]+",
                "header :regex \"List-Id\" \"^.*?<([^.]+)\" MATCH ${1}",
            ),
            (
                r"^Subject:\/.*",
                "header :regex \"Subject\" \"^(.*)\" MATCH  ${1}",
            ),
            (
                "^From MAILER-DAEMON",
                "anyof(envelope :is \"from\" \"\",\n    \
                 envelope :matches \"from\" \"MAILER-DAEMON*\")",
            ),
        ] {
            assert_eq!(said(text), expected, "{text}");
        }
    }

    #[test]
    fn names_of_procmail_are_put_in() {
        let to = said("^TO_ada@example.org");
        assert!(
            to.contains(r#"["To", "Resent-To", "Original-To""#) || to.contains("\"Cc\""),
            "{to}"
        );
        assert!(
            to.ends_with(r#""^(.*[^\\-a-zA-Z0-9_.])?ada@example\\.org""#),
            "{to}"
        );
        assert!(said("^FROM_DAEMON").contains("exists \"Mailing-List\""));
        assert!(said("(^FROM_MAILER|^Subject:.*x)").contains("\"Subject\" \"x\""));
    }

    #[test]
    fn what_no_test_says_is_refused() {
        for text in [
            "viagra",
            "^.*viagra",
            "^X-.*: yes",
            "^Subject:foo",
            "^Subject:.*a$List-Id: x",
            "^^Subject: x",
            "^[^ ]+: x",
            "^From ada.*2026$",
        ] {
            let why = said(text);
            assert!(!why.contains('"'), "{text}: {why}");
        }
        let many = said(&format!("^{}: x", "(a|b)".repeat(30)));
        assert_eq!(many, "it has too many alternatives");
    }
}
