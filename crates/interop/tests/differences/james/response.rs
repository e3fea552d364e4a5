//! Responses, wanted and heard, in a form in which they can be compared: texts for people are left
//! out, and so is every order that RFC 9051 leaves to the server.

use std::collections::{BTreeMap, BTreeSet};

use super::pattern::{Letter, fits};

#[derive(Clone, Debug)]
pub(crate) enum Response {
    Tagged {
        tag: String,
        condition: String,
        code: String,
    },
    Continuation,
    /// Any tagged response.
    Anything,
    /// `* OK [CODE …]`; the code is empty where there is none.
    Status {
        condition: String,
        code: Vec<Letter>,
    },
    /// Flags of a mailbox: FLAGS, or the code PERMANENTFLAGS.
    Flags {
        kind: String,
        flags: BTreeSet<String>,
        /// True if there may be other flags as well.
        open: bool,
    },
    Fetch {
        number: String,
        items: BTreeMap<String, Vec<Letter>>,
        /// True if there may be other items as well.
        open: bool,
    },
    Data {
        kind: String,
        text: Vec<Letter>,
    },
}

fn text(letters: &[Letter]) -> String {
    letters.iter().map(|letter| letter.0).collect()
}

/// Takes a response apart.
pub(crate) fn read(letters: &[Letter]) -> Response {
    let whole = text(letters);
    let words: Vec<&str> = whole.split(' ').collect();
    let word = |at: usize| words.get(at).copied().unwrap_or_default();
    if whole == ".*" {
        return Response::Anything;
    }
    if whole.starts_with('+') {
        return Response::Continuation;
    }
    if whole.starts_with('^') {
        return Response::Data {
            kind: "CAPABILITY".to_owned(),
            text: letters.to_vec(),
        };
    }
    if word(0) != "*" {
        let rest = whole.splitn(3, ' ').nth(2).unwrap_or_default();
        let code = rest.strip_prefix('[').unwrap_or_default();
        return Response::Tagged {
            tag: word(0).to_owned(),
            condition: word(1).to_owned(),
            code: code.split([']', ' ']).next().unwrap_or_default().to_owned(),
        };
    }
    if ["OK", "NO", "BAD", "BYE", "PREAUTH"].contains(&word(1)) {
        return status(letters, word(1), word(2));
    }
    if word(1) == "FLAGS" {
        return Response::Flags {
            kind: "FLAGS".to_owned(),
            flags: flags(&whole, "FLAGS"),
            // Keywords of their own, which a mailbox here may not have seen.
            open: true,
        };
    }
    if word(2) == "FETCH" {
        return fetch(letters, word(1));
    }
    let numbered =
        word(1).starts_with(|one: char| one.is_ascii_digit() || one == '.') || word(1) == "d+";
    let kind = word(if numbered { 2 } else { 1 }).to_owned();
    let text = match kind.as_str() {
        "STATUS" => sorted(letters, 2),
        "LIST" | "LSUB" | "XLIST" => sorted(letters, 1),
        "ACL" | "MYRIGHTS" => rights(letters),
        _ => bare(letters),
    };
    Response::Data { kind, text }
}

/// `(FLAGS (\\Seen) UID 3)`; of others, `(.*) UID 3)`, `(.*UID 3)` and `.*` only what is said.
fn fetch(letters: &[Letter], number: &str) -> Response {
    let start = letters.iter().position(|letter| letter.0 == 'F');
    let mut rest = &letters[start.unwrap_or_default() + "FETCH ".len()..];
    rest = rest.strip_prefix(&[('(', true)]).unwrap_or(rest);
    let before = rest;
    rest = rest
        .strip_prefix(&[('.', false), ('*', false)])
        .unwrap_or(rest);
    let open = rest.len() < before.len();
    if open {
        rest = rest
            .strip_prefix(&[(')', true), (' ', true)])
            .unwrap_or(rest);
    }
    Response::Fetch {
        number: number.to_owned(),
        items: items(rest),
        open,
    }
}

fn status(letters: &[Letter], condition: &str, code: &str) -> Response {
    let whole = text(letters);
    if code == "[PERMANENTFLAGS" {
        return Response::Flags {
            kind: format!("{condition} [PERMANENTFLAGS]"),
            flags: flags(&whole, "PERMANENTFLAGS"),
            open: letters
                .windows(2)
                .any(|two| two == [('.', false), ('*', false)]),
        };
    }
    let mut code = Vec::new();
    let open = letters.iter().position(|letter| letter.0 == '[');
    if let Some(open) = open.filter(|open| *open == condition.len() + 3) {
        let end = letters.iter().position(|letter| letter.0 == ']');
        code.extend_from_slice(&letters[open..end.map_or(letters.len(), |end| end + 1)]);
    }
    Response::Status {
        condition: condition.to_owned(),
        code,
    }
}

/// The flags behind a word, without `\*`.
fn flags(whole: &str, word: &str) -> BTreeSet<String> {
    let (_, rest) = whole.split_once(word).unwrap();
    let rest = rest.split([']', '\r']).next().unwrap();
    let rest = rest.replace(".*", " ");
    let words = rest.split([' ', '(', ')', '?']);
    let words = words.map(|flag| flag.trim_matches(['*', '+']));
    let some = words.filter(|flag| !flag.is_empty() && *flag != "\\");
    some.map(str::to_owned).collect()
}

/// The flags that are no keywords.
fn system(flags: &BTreeSet<String>) -> BTreeSet<String> {
    let some = flags.iter().filter(|flag| flag.starts_with('\\'));
    some.cloned().collect()
}

/// Without quotes and the lengths of literals: how a string is sent is the server's choice.
fn bare(letters: &[Letter]) -> Vec<Letter> {
    let mut kept: Vec<Letter> = Vec::new();
    for &letter in letters {
        if letter.0 == '"' {
            continue;
        }
        kept.push(letter);
        if letter.0 == '\n' {
            let before = text(&kept);
            let before = before.strip_suffix("}\r\n").unwrap_or_default();
            let digits = before.len()
                - before
                    .trim_end_matches(|one: char| one.is_ascii_digit())
                    .len();
            if digits > 0 && before.as_bytes().get(before.len() - digits - 1) == Some(&b'{') {
                kept.truncate(kept.len() - digits - 4);
            }
        }
    }
    kept
}

/// The words of the list in parentheses in order, each with the `size - 1` that follow it.
fn sorted(letters: &[Letter], size: usize) -> Vec<Letter> {
    let bare = bare(letters);
    let at = |wanted| bare.iter().position(|letter| letter.0 == wanted);
    let (Some(open), Some(close)) = (at('('), at(')')) else {
        return bare;
    };
    let words: Vec<&[Letter]> = bare[open + 1..close]
        .split(|letter| letter.0 == ' ')
        .collect();
    let mut groups: Vec<Vec<Letter>> = words
        .chunks(size)
        .map(|group| group.join(&(' ', true)))
        .collect();
    groups.sort();
    let mut sorted = bare[..=open].to_vec();
    sorted.extend(groups.join(&(' ', true)));
    sorted.extend_from_slice(&bare[close..]);
    // The parentheses are no group of a pattern.
    sorted[open].1 = true;
    sorted
}

/// Behind the mailbox, words of nothing but rights with their letters in order, and without those
/// that say what others say as well (RFC 4314 §2.1.1).
fn rights(letters: &[Letter]) -> Vec<Letter> {
    let bare = bare(letters);
    let words = bare.split(|letter| letter.0 == ' ').enumerate();
    let words = words.map(|(at, word)| {
        let mut word = word.to_vec();
        if at > 2 && word.iter().all(|letter| "acdeiklprstwx".contains(letter.0)) {
            word.retain(|letter| !['c', 'd'].contains(&letter.0));
            word.sort_unstable();
        }
        word
    });
    words.collect::<Vec<_>>().join(&(' ', true))
}

/// The items of a FETCH by name.
fn items(letters: &[Letter]) -> BTreeMap<String, Vec<Letter>> {
    let mut items = BTreeMap::new();
    let mut at = 0;
    while letters.get(at).is_some_and(|letter| letter.0 != ')') {
        let start = at;
        let mut depth = 0;
        while let Some(&(one, _)) = letters.get(at) {
            match one {
                '[' => depth += 1,
                ']' => depth -= 1,
                ' ' if depth == 0 => break,
                _ => {}
            }
            at += 1;
        }
        let name = text(&letters[start..at])
            .to_ascii_uppercase()
            .replace('"', "");
        at += 1;
        let start = at.min(letters.len());
        at = value(letters, start);
        let mut bare = bare(&letters[start..at]);
        if name.starts_with("BODY") && !name.contains('[') {
            // Media types, encodings and names of parameters are the same in either case.
            for letter in bare.iter_mut().filter(|letter| *letter != &('d', false)) {
                letter.0 = letter.0.to_ascii_uppercase();
            }
        }
        items.insert(name, bare);
        if letters.get(at).is_some_and(|letter| letter.0 == ' ') {
            at += 1;
        }
    }
    items
}

/// How far it is from the brace of a literal's length to the last octet of the literal; nothing
/// where it is the brace of something else.
fn literal(letters: &[Letter]) -> usize {
    let close = letters.iter().position(|letter| letter.0 == '}');
    let Some(close) = close.filter(|close| letters.get(close + 1) == Some(&('\r', true))) else {
        return 0;
    };
    let count: usize = text(&letters[1..close]).parse().unwrap_or_default();
    close + 2 + count
}

/// Where the value ends that begins at `start`.
fn value(letters: &[Letter], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while let Some(&(one, _)) = letters.get(at) {
        match one {
            '"' => {
                at += 1;
                while letters.get(at).is_some_and(|letter| letter.0 != '"') {
                    at += if letters[at].0 == '\\' { 2 } else { 1 };
                }
            }
            '{' => at += literal(&letters[at..]),
            '(' => depth += 1,
            ')' if depth == 0 => return at,
            ')' => depth -= 1,
            ' ' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    at.min(letters.len())
}

impl Response {
    /// What it is, for the list of differences.
    pub(crate) fn kind(&self) -> String {
        match self {
            Self::Tagged { condition, .. } => condition.clone(),
            Self::Continuation => "+".to_owned(),
            Self::Anything => "anything".to_owned(),
            Self::Status { condition, code } => {
                let code = text(code);
                let name = code.split([' ', ']']).next().unwrap_or_default();
                let close = if name.is_empty() { "" } else { "]" };
                format!("{condition} {name}{close}").trim().to_owned()
            }
            Self::Flags { kind, .. } | Self::Data { kind, .. } => kind.clone(),
            Self::Fetch { .. } => "FETCH".to_owned(),
        }
    }

    /// The same of what nobody wanted: the levels above a mailbox are told apart, of which a server
    /// may tell or not.
    pub(crate) fn surplus(&self) -> String {
        match self {
            Self::Data { kind, text: said } if text(said).contains("\\Noselect") => {
                format!("{kind} of a level")
            }
            _ => self.kind(),
        }
    }

    /// True if `heard` is what this wants.
    pub(crate) fn wants(&self, heard: &Self) -> bool {
        match (self, heard) {
            (
                Self::Tagged {
                    tag,
                    condition,
                    code,
                },
                Self::Tagged {
                    tag: other,
                    condition: said,
                    code: told,
                },
            ) => {
                let any = condition == "(.)*";
                tag == other && (any || condition == said && (code.is_empty() || code == told))
            }
            (Self::Continuation, Self::Continuation) | (Self::Anything, Self::Tagged { .. }) => {
                true
            }
            (
                Self::Status { condition, code },
                Self::Status {
                    condition: said,
                    code: told,
                },
            ) => condition == said && (code.is_empty() || fits(code, told)),
            (
                Self::Flags { kind, flags, open },
                Self::Flags {
                    kind: said,
                    flags: told,
                    ..
                },
            ) => kind == said && flags.is_subset(told) && (*open || system(told).is_subset(flags)),
            (
                Self::Data { kind, text },
                Self::Data {
                    kind: said,
                    text: told,
                },
            ) => kind == said && fits(text, told),
            _ => false,
        }
    }
}

/// Puts what is said of one message into one response, and takes out what says `\Recent`; true if
/// anything did.
pub(crate) fn gather(responses: &mut Vec<Response>) -> bool {
    let mut recent = false;
    let mut fetched: BTreeMap<String, (BTreeMap<String, Vec<Letter>>, bool)> = BTreeMap::new();
    responses.retain_mut(|response| match response {
        Response::Fetch {
            number,
            items,
            open,
        } => {
            if let Some(flags) = items.get_mut("FLAGS") {
                let all = text(flags);
                let mut words: Vec<&str> = all.split(['(', ')', ' ']).collect();
                recent |= words.contains(&"\\Recent");
                words.retain(|word| !word.is_empty() && *word != "\\Recent");
                words.sort_unstable();
                *flags = words
                    .join(" ")
                    .chars()
                    .map(|one| (one, !['.', '*'].contains(&one)))
                    .collect();
            }
            let (all, opened) = fetched.entry(number.clone()).or_default();
            all.append(items);
            *opened |= *open;
            false
        }
        Response::Data { kind, text: said } if kind == "RECENT" => {
            recent |= text(said) != "* 0 RECENT";
            false
        }
        _ => true,
    });
    for (number, (items, open)) in fetched {
        responses.push(Response::Fetch {
            number,
            items,
            open,
        });
    }
    recent
}
