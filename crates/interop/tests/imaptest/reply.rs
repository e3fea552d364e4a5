//! Responses taken apart, and compared with what a script wants.

use std::collections::BTreeMap;

/// A piece of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// An atom or a string; what is in brackets belongs to the atom it stands in.
    Text(String),
    List(Vec<Self>),
}

/// Values of a script's variables.
pub(crate) type Variables = BTreeMap<String, String>;

/// Takes a line apart: `1 FETCH (UID 3 BODY[] {2}\nhi)`.
pub(crate) fn nodes(line: &str) -> Vec<Node> {
    let characters: Vec<char> = line.chars().collect();
    let mut at = 0;
    list(&characters, &mut at)
}

fn list(characters: &[char], at: &mut usize) -> Vec<Node> {
    let mut nodes = Vec::new();
    while *at < characters.len() {
        match characters[*at] {
            ')' => {
                *at += 1;
                break;
            }
            ' ' => *at += 1,
            '(' => {
                *at += 1;
                nodes.push(Node::List(list(characters, at)));
            }
            '"' => nodes.push(Node::Text(quoted(characters, at))),
            _ => nodes.push(Node::Text(atom(characters, at))),
        }
    }
    nodes
}

fn quoted(characters: &[char], at: &mut usize) -> String {
    let mut text = String::new();
    *at += 1;
    while let Some(&character) = characters.get(*at) {
        *at += 1;
        match character {
            '"' => break,
            '\\' => {
                text.extend(characters.get(*at));
                *at += 1;
            }
            other => text.push(other),
        }
    }
    text
}

/// An atom, or a literal.
fn atom(characters: &[char], at: &mut usize) -> String {
    let start = *at;
    let mut depth = 0;
    while let Some(&character) = characters.get(*at) {
        match character {
            '[' | '{' if character == '[' || characters.get(start) == Some(&'$') => depth += 1,
            ']' | '}' if depth > 0 => depth -= 1,
            ' ' | '(' | ')' if depth == 0 => break,
            '\n' => {
                let head: String = characters[start..*at].iter().collect();
                let count = head.trim_start_matches('~').trim_matches(['{', '}']);
                let from = *at + 1;
                *at = from + count.parse::<usize>().unwrap();
                return characters[from..*at].iter().collect();
            }
            _ => {}
        }
        *at += 1;
    }
    characters[start..*at].iter().collect()
}

/// Puts known variables into a command, which keeps its literals as they are.
pub(crate) fn expand(text: &str, variables: &Variables) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('$') {
        if let Some((head, _)) = before.split_once("}\n") {
            // A literal: over it without looking.
            let count: usize = head.rsplit('{').next().unwrap().parse().unwrap();
            let skipped: String = rest
                .chars()
                .take(head.chars().count() + 2 + count)
                .collect();
            expanded.push_str(&skipped);
            rest = &rest[skipped.len()..];
            continue;
        }
        expanded.push_str(before);
        let (name, behind) = name(behind);
        match name {
            "$" => expanded.push('$'),
            name => {
                let value = variables.get(name);
                expanded.push_str(value.unwrap_or_else(|| panic!("no value for ${name}")));
            }
        }
        rest = behind;
    }
    expanded + rest
}

/// The name behind a `$` (`$` itself for an escaped one), and what is behind the name.
fn name(text: &str) -> (&str, &str) {
    if let Some(rest) = text.strip_prefix('$') {
        return ("$", rest);
    }
    if let Some((name, rest)) = text.strip_prefix('{').and_then(|text| text.split_once('}')) {
        return (name, rest);
    }
    let end = text.find(|character: char| !character.is_alphanumeric() && character != '_');
    text.split_at(end.unwrap_or(text.len()))
}

/// How the elements of a list are compared.
#[derive(Clone, Debug)]
struct Rule {
    /// Elements that go together, in any order; `None` where the order counts.
    chain: Option<usize>,
    extra: bool,
    ignored: Vec<String>,
    banned: Vec<String>,
}

impl Rule {
    /// What the list says of itself, or what holds for such a list.
    fn of(list: &[Node], context: &[&str]) -> (Self, usize) {
        let directives: Vec<&str> = list
            .iter()
            .map_while(|node| match node {
                Node::Text(text) => text.strip_prefix("$!"),
                Node::List(_) => None,
            })
            .collect();
        let mut rule = Self {
            chain: None,
            extra: false,
            ignored: Vec::new(),
            banned: Vec::new(),
        };
        let defaults: &[&str] = match context {
            _ if !directives.is_empty() => &[],
            ["fetch"] | ["status"] => &["unordered=2"],
            ["fetch", "flags"] => &["unordered", "noextra", "ignore=\\recent"],
            ["list" | "lsub"] => &["unordered"],
            _ => &[],
        };
        for directive in defaults.iter().chain(&directives) {
            match directive.split_once('=').unwrap_or((directive, "")) {
                ("ordered", _) => rule.chain = None,
                ("unordered", count) => {
                    rule.chain = Some(count.parse().unwrap_or(1));
                    rule.extra = true;
                }
                ("noextra", _) => rule.extra = false,
                ("extra", _) => rule.extra = true,
                ("ignore", element) => rule.ignored.push(element.to_owned()),
                ("ban", element) => rule.banned.push(element.to_owned()),
                (other, _) => panic!("directive {other}"),
            }
        }
        (rule, directives.len())
    }
}

/// True if a response is what the script wants; variables without a value get one.
///
/// `number` is what the response's message was called when the command began.
pub(crate) fn fits(
    wanted: &[Node],
    found: &[Node],
    number: Option<usize>,
    variables: &mut Variables,
) -> bool {
    let mut tried = variables.clone();
    let (mut wanted, mut found) = (wanted, found);
    let text = |node: Option<&Node>| match node {
        Some(Node::Text(text)) => text.to_ascii_lowercase(),
        _ => String::new(),
    };
    let first = text(wanted.first());
    if let Some(then) = first.strip_prefix('$').and_then(|then| then.parse().ok()) {
        // `$n`: as it was numbered before.
        if number != Some(then) {
            return false;
        }
        (wanted, found) = (&wanted[1..], &found[1..]);
    } else if first.parse::<u32>().is_ok() {
        if first != text(found.first()) {
            return false;
        }
        (wanted, found) = (&wanted[1..], &found[1..]);
    }
    let verb = text(wanted.first());
    // The words behind a condition are for people.
    let prefix = matches!(verb.as_str(), "ok" | "no" | "bad" | "bye" | "preauth");
    if prefix && wanted.len() <= found.len() {
        found = &found[..wanted.len()];
    }
    let fits = wanted.len() == found.len()
        && wanted
            .iter()
            .zip(found)
            .all(|(wanted, found)| node_fits(wanted, found, &[&verb], &mut tried));
    if fits {
        *variables = tried;
    }
    fits
}

fn node_fits(wanted: &Node, found: &Node, context: &[&str], variables: &mut Variables) -> bool {
    match (wanted, found) {
        (Node::Text(any), _) if any == "$" => true,
        (Node::Text(wanted), Node::Text(found)) => text_fits(wanted, found, variables),
        (Node::List(wanted), Node::List(found)) => list_fits(wanted, found, context, variables),
        (Node::Text(_), Node::List(_)) | (Node::List(_), Node::Text(_)) => false,
    }
}

fn list_fits(wanted: &[Node], found: &[Node], context: &[&str], variables: &mut Variables) -> bool {
    let (rule, directives) = Rule::of(wanted, context);
    let wanted = &wanted[directives..];
    let Some(chain) = rule.chain else {
        return wanted.len() == found.len()
            && wanted
                .iter()
                .zip(found)
                .all(|(wanted, found)| node_fits(wanted, found, &["list in list"], variables));
    };
    let mut left: Vec<&[Node]> = found.chunks(chain).collect();
    for group in wanted.chunks(chain) {
        let key = match group.first() {
            Some(Node::Text(key)) => key.to_ascii_lowercase(),
            _ => String::new(),
        };
        let context = [context[0], key.as_str()];
        let place = left.iter().position(|found| {
            let mut tried = variables.clone();
            let same = group.len() == found.len()
                && group
                    .iter()
                    .zip(*found)
                    .all(|(wanted, found)| node_fits(wanted, found, &context, &mut tried));
            if same {
                *variables = tried;
            }
            same
        });
        let Some(place) = place else {
            return false;
        };
        left.remove(place);
    }
    let is = |group: &[Node], names: &[String]| match group.first() {
        Some(Node::Text(text)) => names.iter().any(|name| name.eq_ignore_ascii_case(text)),
        _ => false,
    };
    left.iter()
        .all(|group| is(group, &rule.ignored) || rule.extra && !is(group, &rule.banned))
}

/// Compares without regard to case; what stands where an unset variable does is its value.
fn text_fits(wanted: &str, found: &str, variables: &mut Variables) -> bool {
    let Some((before, behind)) = wanted.split_once('$') else {
        return wanted.eq_ignore_ascii_case(found);
    };
    let start = found.get(..before.len());
    if !start.is_some_and(|start| start.eq_ignore_ascii_case(before)) {
        return false;
    }
    let found = &found[before.len()..];
    let (name, behind) = name(behind);
    let known = if name == "$" {
        Some("$".to_owned())
    } else {
        variables.get(name).cloned()
    };
    if let Some(value) = known {
        let start = found.get(..value.len());
        return start.is_some_and(|start| start.eq_ignore_ascii_case(&value))
            && text_fits(behind, &found[value.len()..], variables);
    }
    let literal = behind.split('$').next().unwrap_or_default();
    let end = if literal.is_empty() {
        found.len()
    } else {
        let lower = found.to_ascii_lowercase();
        match lower.find(&literal.to_ascii_lowercase()) {
            Some(end) => end,
            None => return false,
        }
    };
    variables.insert(name.to_owned(), found[..end].to_owned());
    text_fits(behind, &found[end..], variables)
}

#[test]
fn replies_fit_as_the_format_says() {
    let cases = [
        (
            "1 fetch (uid $a flags (\\seen))",
            "1 FETCH (FLAGS (\\Seen) UID 7)",
            true,
        ),
        (
            "1 fetch (flags (\\seen))",
            "1 FETCH (FLAGS (\\Seen \\Recent) UID 7)",
            true,
        ),
        (
            "1 fetch (flags (\\seen))",
            "1 FETCH (FLAGS (\\Seen \\Draft) UID 7)",
            false,
        ),
        (
            "1 fetch (flags ($!extra \\seen))",
            "1 FETCH (FLAGS (\\Seen \\Draft))",
            false,
        ),
        (
            "1 fetch (flags ($!unordered \\seen))",
            "1 FETCH (FLAGS (\\Draft \\Seen))",
            true,
        ),
        ("$4 expunge", "2 EXPUNGE", true),
        ("$2 expunge", "2 EXPUNGE", false),
        ("search", "SEARCH 1", false),
        ("ok [uidnext $a]", "OK [UIDNEXT 3] The next UID", true),
        (
            "1 fetch (body[header.fields (from)] {2}\nhi)",
            "1 FETCH (BODY[HEADER.FIELDS (From)] hi)",
            true,
        ),
        (
            "status x (messages 1)",
            "STATUS x (UIDNEXT 2 MESSAGES 1)",
            true,
        ),
        ("list () $sep $root", "LIST (\\Noselect) \"/\" \"\"", true),
        ("1 fetch (flags ($$word))", "1 FETCH (FLAGS ($Word))", true),
    ];
    for (wanted, found, fitting) in cases {
        let mut variables = Variables::new();
        let fits = fits(&nodes(wanted), &nodes(found), Some(4), &mut variables);
        assert_eq!(fits, fitting, "{wanted} | {found}");
    }
    let mut variables = Variables::new();
    assert!(fits(
        &nodes("x [a $a b$c]"),
        &nodes("X [A 1 b2]"),
        None,
        &mut variables
    ));
    assert_eq!(variables["a"], "1");
    assert_eq!(expand("${a},$$c {2}\n$a $c", &variables), "1,$c {2}\n$a 2");
}
