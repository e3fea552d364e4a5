//! An expression as a comparison with one text: a field's value, a body, a variable.
//!
//! What the language has a word for becomes that word, else it is `:regex`. What means something
//! else there than for procmail is refused.

use super::pattern::{Node, Pattern, texts};
use super::script::{How, Keys};

/// Texts in the place of one that has alternatives.
const TEXTS_MAX: usize = 12;

/// What an expression is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Area {
    /// One line: a field's value, a variable. `true` if the expression begins where it begins.
    Line { anchored: bool },
    /// Lines with their ends.
    Lines,
}

/// A comparison, and which group of it `MATCH` is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Comparison {
    pub(super) keys: Keys,
    pub(super) captured: Option<usize>,
}

const LINES: &str = "it looks at several lines at once";

/// What a set of alternatives is as a comparison.
///
/// # Errors
/// In words, why it cannot be said.
pub(super) fn compare(pattern: &Pattern, area: Area, exact: bool) -> Result<Comparison, String> {
    let keys = |how: How, keys: Vec<String>| Comparison {
        keys: Keys { how, keys, exact },
        captured: None,
    };
    let mut plain: Option<(How, Vec<String>)> = Some((How::Is, Vec::new()));
    for way in pattern {
        let found = native(way, area);
        plain = match (plain, found) {
            (Some((_, known)), Some((how, new))) if known.is_empty() => Some((how, new)),
            (Some((one, mut known)), Some((how, new))) if one == how => {
                known.extend(new);
                Some((one, known))
            }
            _ => None,
        };
    }
    if let Some((how, texts)) = plain.filter(|(_, texts)| !texts.is_empty()) {
        return Ok(keys(how, texts));
    }
    let joined = joined(pattern);
    let pattern = joined.as_ref().unwrap_or(pattern);
    let mut writer = Expression {
        text: String::new(),
        groups: 0,
        captured: None,
        lazy: pattern.iter().any(|way| way.contains(&Node::Split)),
        lines: area == Area::Lines,
    };
    writer.whole(pattern, area)?;
    Ok(Comparison {
        captured: writer.captured,
        ..keys(How::Regex, vec![writer.text])
    })
}

/// Alternatives with the same end as one: `(a|b)end`.
fn joined(pattern: &Pattern) -> Option<Pattern> {
    let (first, others) = pattern
        .split_first()
        .filter(|(_, others)| !others.is_empty())?;
    let same = |other: &Vec<Node>| {
        let pairs = first.iter().rev().zip(other.iter().rev());
        pairs.take_while(|(one, other)| one == other).count()
    };
    let len = others.iter().map(same).min().filter(|&len| len > 0)?;
    let is_split = |way: &Vec<Node>| way.contains(&Node::Split);
    if pattern.iter().any(is_split) {
        return None;
    }
    let begin = |way: &Vec<Node>| way.get(..way.len() - len).unwrap_or_default().to_vec();
    let mut begins: Pattern = pattern.iter().map(begin).collect();
    let all = begins.len();
    begins.retain(|begin| !begin.is_empty());
    let group = Node::Group(begins.clone());
    let group = match begins.len() == all {
        true => group,
        false => Node::Repeat {
            node: Box::new(group),
            once: false,
            many: false,
        },
    };
    let end = first.get(first.len() - len..).unwrap_or_default();
    Some(vec![[&[group], end].concat()])
}

/// True if `.*` stands here.
fn is_anything(node: Option<&Node>) -> bool {
    node == Some(&Node::anything())
}

/// What stands between the ends of an expression, and whether it is bound to them.
struct Bounds<'a> {
    inside: &'a [Node],
    start: bool,
    end: bool,
}

fn bounds(way: &[Node], area: Area) -> Bounds<'_> {
    let mut bounds = Bounds {
        inside: way,
        start: matches!(area, Area::Line { anchored: true }),
        end: false,
    };
    if area == (Area::Line { anchored: false }) {
        // One: `^^^^` is both ends.
        if let [Node::Start | Node::Edge, rest @ ..] = bounds.inside {
            bounds.start = true;
            bounds.inside = rest;
        }
    }
    if matches!(area, Area::Line { .. }) {
        while let [rest @ .., Node::End | Node::Edge] = bounds.inside {
            bounds.end = true;
            bounds.inside = rest;
        }
    }
    let one_line = matches!(area, Area::Line { .. });
    if is_anything(bounds.inside.first()) && (one_line || bounds.inside.len() > 1) {
        bounds.start = false;
        bounds.inside = bounds.inside.get(1..).unwrap_or_default();
    }
    if is_anything(bounds.inside.last()) {
        bounds.end = false;
        let len = bounds.inside.len() - 1;
        bounds.inside = bounds.inside.get(..len).unwrap_or_default();
    }
    bounds
}

/// The words that the language has for it.
fn native(way: &[Node], area: Area) -> Option<(How, Vec<String>)> {
    let Bounds { inside, start, end } = bounds(way, area);
    if let Some(all) = texts(inside, TEXTS_MAX) {
        if all.iter().any(String::is_empty) {
            // An empty text is found in everything.
            let is_empty = start && end && all.iter().all(String::is_empty);
            return is_empty.then_some((How::Is, all));
        }
        return Some(match (start, end) {
            (true, true) => (How::Is, all),
            (false, false) => (How::Contains, all),
            _ => {
                let (before, behind) = (if start { "" } else { "*" }, if end { "" } else { "*" });
                let glob = |text: &String| format!("{before}{}{behind}", escaped(text));
                (How::Matches, all.iter().map(glob).collect())
            }
        });
    }
    // A body's lines would be passed over.
    if area == Area::Lines {
        return None;
    }
    let mut glob = String::new();
    let mut stars = 0;
    for node in inside {
        match node {
            Node::Char(letter) => glob.push_str(&escaped(letter.encode_utf8(&mut [0; 4]))),
            Node::Variable(_) => return None,
            Node::Any => glob.push('?'),
            one if is_anything(Some(one)) => {
                stars += 1;
                glob.push('*');
            }
            _ => return None,
        }
    }
    let all_unknown = glob.chars().all(|letter| "*?".contains(letter));
    if stars > 3 || all_unknown {
        return None;
    }
    let (before, behind) = (if start { "" } else { "*" }, if end { "" } else { "*" });
    Some((How::Matches, vec![format!("{before}{glob}{behind}")]))
}

/// A text for `:matches`; what a variable holds stays.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        if "*?\\".contains(letter) {
            safe.push('\\');
        }
        safe.push(letter);
    }
    safe
}

/// A regular expression as it is written.
struct Expression {
    text: String,
    groups: usize,
    captured: Option<usize>,
    /// What stands before `\/` takes as little as it can.
    lazy: bool,
    lines: bool,
}

impl Expression {
    fn whole(&mut self, pattern: &Pattern, area: Area) -> Result<(), String> {
        let is_line = matches!(area, Area::Line { .. });
        if let [one] = pattern.as_slice() {
            let Bounds { inside, start, end } = bounds(one, area);
            // Where `MATCH` begins or ends, what is around it counts.
            let (inside, start) = match self.lazy {
                true => (way_inside(one, area), start || is_line),
                false => (inside, start),
            };
            self.text.push_str(if start { "^" } else { "" });
            self.sequence(inside, (!start, true))?;
            self.text.push_str(if end { "$" } else { "" });
            return Ok(());
        }
        if self.lazy {
            return Err("`\\/` stands in an alternative".to_owned());
        }
        let anchored = area == (Area::Line { anchored: true });
        self.text.push_str(if anchored { "^(" } else { "(" });
        self.groups += 1;
        for (at, way) in pattern.iter().enumerate() {
            self.text.push_str(if at > 0 { "|" } else { "" });
            let is_open = matches!(area, Area::Line { anchored: false });
            if is_open && matches!(way.first(), Some(Node::Start | Node::Edge)) {
                self.text.push('^');
                self.sequence(way.get(1..).unwrap_or_default(), (false, true))?;
            } else {
                self.sequence(way, (!anchored, true))?;
            }
        }
        self.text.push(')');
        Ok(())
    }

    /// `first` is true where nothing stands before, `last` where nothing follows.
    fn sequence(&mut self, nodes: &[Node], (first, last): (bool, bool)) -> Result<(), String> {
        let split = nodes.iter().position(|node| *node == Node::Split);
        for (at, node) in nodes.iter().enumerate() {
            let ends = last && at + 1 == nodes.len();
            if *node == Node::Split {
                self.groups += 1;
                self.captured = Some(self.groups);
                self.lazy = false;
                self.text.push('(');
            } else {
                self.node(node, (first && at == 0, ends))?;
            }
        }
        if split.is_some() {
            self.text.push(')');
        }
        Ok(())
    }

    fn node(&mut self, node: &Node, (first, ends): (bool, bool)) -> Result<(), String> {
        match node {
            Node::Char(letter) => {
                if "\\.[]{}()*+?^$|".contains(*letter) {
                    self.text.push('\\');
                }
                self.text.push(*letter);
            }
            Node::Any if self.lines => self.text.push_str("[^\\r\\n]"),
            Node::Any => self.text.push('.'),
            Node::Class { negated, ranges } => self.class(*negated, ranges),
            Node::Border => self.border(first, ends),
            Node::Start if self.lines => {
                let text = if first { "(^|\\n)" } else { "\\n" };
                self.groups += usize::from(first);
                self.text.push_str(text);
            }
            Node::End if self.lines => {
                let text = if ends { "(\\r?\\n|$)" } else { "\\r?\\n" };
                self.groups += usize::from(ends);
                self.text.push_str(text);
            }
            Node::Edge if self.lines && first => self.text.push('^'),
            Node::End if ends => self.text.push('$'),
            Node::Start | Node::End | Node::Edge => return Err(LINES.to_owned()),
            Node::Split => return Err("`\\/` stands in a group".to_owned()),
            Node::Group(ways) => {
                self.groups += 1;
                self.text.push('(');
                for (at, way) in ways.iter().enumerate() {
                    self.text.push_str(if at > 0 { "|" } else { "" });
                    self.sequence(way, (first, ends))?;
                }
                self.text.push(')');
            }
            Node::Repeat { node, once, many } => {
                self.node(node, (false, ends))?;
                self.text.push(match (once, many) {
                    (true, _) => '+',
                    (false, true) => '*',
                    (false, false) => '?',
                });
                self.text.push_str(if self.lazy { "?" } else { "" });
            }
            // What may be in it is looked at where it gets its value.
            Node::Variable(name) => {
                self.text.push_str("${");
                self.text.push_str(name);
                self.text.push('}');
            }
        }
        Ok(())
    }

    fn border(&mut self, first: bool, ends: bool) {
        let (before, behind) = match (first, ends) {
            (true, _) => ("(^|", ")"),
            (_, true) => ("(", "|$)"),
            _ => ("", ""),
        };
        self.groups += usize::from(!before.is_empty());
        self.text.push_str(before);
        self.text.push_str("[^a-zA-Z0-9_]");
        self.text.push_str(behind);
    }

    /// A letter inside brackets.
    fn member(&mut self, letter: char) {
        match letter {
            '\t' => self.text.push_str("\\t"),
            '\\' | '[' | ']' | '^' | '-' | '&' | '~' => {
                self.text.push('\\');
                self.text.push(letter);
            }
            letter => self.text.push(letter),
        }
    }

    fn class(&mut self, negated: bool, ranges: &[(char, char)]) {
        self.text.push_str(if negated { "[^" } else { "[" });
        for &(from, to) in ranges {
            self.member(from);
            if to > from {
                self.text.push('-');
                self.member(to);
            }
        }
        self.text.push_str(if negated && self.lines {
            "\\r\\n]"
        } else {
            "]"
        });
    }
}

/// All but the anchors.
fn way_inside(way: &[Node], area: Area) -> &[Node] {
    let mut inside = way;
    if area == (Area::Line { anchored: false })
        && let [Node::Start | Node::Edge, rest @ ..] = inside
    {
        inside = rest;
    }
    while let [rest @ .., Node::End | Node::Edge] = inside {
        inside = rest;
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::super::pattern::read;
    use super::super::words::Piece;
    use super::*;

    fn said(text: &str, area: Area) -> String {
        let pattern = read(&[Piece::Text(text.to_owned())]).unwrap().pattern;
        match compare(&pattern, area, false) {
            Ok(one) => {
                let captured = one.captured.map(|group| format!(" MATCH {group}"));
                let (how, keys) = (one.keys.how, one.keys.keys.join(" "));
                format!("{how:?} {keys}{}", captured.unwrap_or_default())
            }
            Err(why) => why,
        }
    }

    #[test]
    fn what_there_are_words_for_is_said_in_them() {
        for (text, expected) in [
            ("foo", "Matches foo*"),
            (".*foo", "Contains foo"),
            (".*foo.*", "Contains foo"),
            ("foo$", "Is foo"),
            (".*foo$", "Matches *foo"),
            (".*foo.*bar", "Matches *foo*bar*"),
            (".*(a|b)c", "Contains ac bc"),
            (".*a\\*b$", "Matches *a\\*b"),
            (".*f.o", "Matches *f?o*"),
            ("$", "Is "),
            (".*[0-9]+x", "Regex [0-9]+x"),
            ("[0-9]", "Regex ^[0-9]"),
            ("[^]a-]x$", "Regex ^[^\\]a\\-]x$"),
            (".*foo\\>", "Regex foo([^a-zA-Z0-9_]|$)"),
            (".*\\<foo", "Regex (^|[^a-zA-Z0-9_])foo"),
            (".*<\\/[^>]+", "Regex ^.*?<([^>]+) MATCH 1"),
            ("(a|b+).*x\\/.*", "Regex ^(a|b+?).*?x(.*) MATCH 2"),
            ("a$b", LINES),
        ] {
            let found = said(text, Area::Line { anchored: true });
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn bodies_have_lines() {
        for (text, expected) in [
            ("unsubscribe", "Contains unsubscribe"),
            ("(one|two) three", "Contains one three two three"),
            ("^foo", "Regex (^|\\n)foo"),
            ("foo$", "Regex foo(\\r?\\n|$)"),
            ("^^foo", "Regex ^foo"),
            ("a.*b", "Regex a[^\\r\\n]*b"),
            ("a[^x]", "Regex a[^x\\r\\n]"),
            ("foo^^", LINES),
        ] {
            assert_eq!(said(text, Area::Lines), expected, "{text}");
        }
    }

    #[test]
    fn variables_are_open_at_both_ends() {
        for (text, expected) in [
            ("yes", "Contains yes"),
            ("^^yes^^", "Is yes"),
            ("^yes", "Matches yes*"),
            ("^^^^", "Is "),
            ("[0-9]$", "Regex [0-9]$"),
        ] {
            let found = said(text, Area::Line { anchored: false });
            assert_eq!(found, expected, "{text}");
        }
    }
}
