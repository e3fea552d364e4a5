//! Procmail's regular expressions, read.
//!
//! procmailrc(5), "Extended regular expressions": those of egrep without braces, `^` and `$` are
//! line ends, `^^` an end of what is searched, `\<` and `\>` a letter beside a word, `\/` where
//! `MATCH` begins. Not here: what tests they become (`field`, `area`).

use super::words::Piece;

/// Groups inside one another.
const NESTING_MAX: usize = 32;

/// Steps that taking one letter may need; ways beyond are not found.
const STEPS_MAX: usize = 500;

/// A part of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Char(char),
    /// `.`: any but a line end.
    Any,
    /// `[…]`; a negated one takes no line end either.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    /// `^` and `$`: a line end.
    Start,
    End,
    /// `^^`.
    Edge,
    /// `\<` and `\>`: a letter that belongs to no word, or a line end.
    Border,
    /// `\/`.
    Split,
    Group(Vec<Vec<Self>>),
    Repeat {
        node: Box<Self>,
        /// At least once.
        once: bool,
        /// As often as one likes.
        many: bool,
    },
    /// A variable's text, which has no meaning of its own.
    Variable(String),
}

impl Node {
    /// `.*`
    pub(super) fn anything() -> Self {
        Self::Repeat {
            node: Box::new(Self::Any),
            once: false,
            many: true,
        }
    }

    /// True if it takes this letter, and it alone.
    pub(super) fn takes(&self, letter: char) -> bool {
        match self {
            Self::Char(own) => own.eq_ignore_ascii_case(&letter),
            Self::Any => true,
            Self::Class { negated, ranges } => {
                let cases = [letter.to_ascii_lowercase(), letter.to_ascii_uppercase()];
                let mut ranges = ranges.iter();
                *negated
                    != ranges.any(|(from, to)| cases.iter().any(|one| from <= one && one <= to))
            }
            Self::Border => !letter.is_ascii_alphanumeric() && letter != '_',
            _ => false,
        }
    }
}

/// An expression: its alternatives.
pub(super) type Pattern = Vec<Vec<Node>>;

/// What an expression is, and whether a point was taken for a dot.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) pattern: Pattern,
    pub(super) dots: bool,
}

/// Reads an expression.
///
/// # Errors
/// In words, if it is none.
pub(super) fn read(phrase: &[Piece]) -> Result<Read, String> {
    let mut letters = Vec::new();
    for piece in phrase {
        match piece {
            Piece::Text(text) => letters.extend(text.chars().map(Letter::Char)),
            Piece::Variable(name) | Piece::Disarmed(name) => {
                letters.push(Letter::Variable(name.clone()));
            }
        }
    }
    let mut reader = Reader {
        letters,
        at: 0,
        dots: false,
    };
    let pattern = reader.alternatives(0)?;
    if reader.at < reader.letters.len() {
        return Err("a parenthesis closes nothing".to_owned());
    }
    Ok(Read {
        pattern,
        dots: reader.dots,
    })
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Letter {
    Char(char),
    Variable(String),
}

struct Reader {
    letters: Vec<Letter>,
    at: usize,
    dots: bool,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        match self.letters.get(self.at) {
            Some(Letter::Char(letter)) => Some(*letter),
            _ => None,
        }
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.peek();
        self.at += usize::from(letter.is_some());
        letter
    }

    fn alternatives(&mut self, depth: usize) -> Result<Pattern, String> {
        if depth > NESTING_MAX {
            return Err("groups are nested too deep".to_owned());
        }
        let mut all = vec![self.sequence(depth)?];
        while self.peek() == Some('|') {
            self.at += 1;
            all.push(self.sequence(depth)?);
        }
        Ok(all)
    }

    fn sequence(&mut self, depth: usize) -> Result<Vec<Node>, String> {
        let mut nodes: Vec<Node> = Vec::new();
        loop {
            if let Some(Letter::Variable(name)) = self.letters.get(self.at) {
                nodes.push(Node::Variable(name.clone()));
                self.at += 1;
                continue;
            }
            let Some(letter) = self.peek().filter(|&letter| letter != '|' && letter != ')') else {
                break;
            };
            self.at += 1;
            let node = match letter {
                '.' => Node::Any,
                '[' => self.class()?,
                '(' => {
                    let inside = self.alternatives(depth + 1)?;
                    if self.next() != Some(')') {
                        return Err("a parenthesis is not closed".to_owned());
                    }
                    Node::Group(inside)
                }
                '^' if self.peek() == Some('^') => {
                    self.at += 1;
                    Node::Edge
                }
                '^' => Node::Start,
                '$' => Node::End,
                '*' | '+' | '?' => match nodes.pop() {
                    Some(node) => Node::Repeat {
                        node: Box::new(node),
                        once: letter == '+',
                        many: letter != '?',
                    },
                    None => return Err(format!("`{letter}` has nothing to repeat")),
                },
                '\\' => match self.next() {
                    Some('<' | '>') => Node::Border,
                    Some('/') => Node::Split,
                    Some(next) => Node::Char(next),
                    None => Node::Char('\\'),
                },
                letter => Node::Char(letter),
            };
            nodes.push(node);
        }
        self.dots |= take_dots(&mut nodes);
        Ok(nodes)
    }

    fn class(&mut self) -> Result<Node, String> {
        let negated = self.peek() == Some('^');
        self.at += usize::from(negated);
        let mut members = Vec::new();
        loop {
            match self.next() {
                Some(']') if !members.is_empty() => break,
                Some(letter) => members.push(letter),
                None => return Err("a bracket is not closed".to_owned()),
            }
        }
        let mut ranges = Vec::new();
        let mut rest = members.as_slice();
        while let Some((&from, behind)) = rest.split_first() {
            rest = match behind {
                [dash, to, behind @ ..] if *dash == '-' => {
                    ranges.push((from, *to));
                    behind
                }
                _ => {
                    ranges.push((from, from));
                    behind
                }
            };
        }
        Ok(Node::Class { negated, ranges })
    }
}

/// Names of domains at whose end a point is a dot.
const ENDS: &[&str] = &[
    "com",
    "org",
    "net",
    "edu",
    "gov",
    "mil",
    "int",
    "info",
    "biz",
    "name",
    "dev",
    "app",
    "io",
    "example",
    "test",
    "localhost",
    "invalid",
    "local",
];

/// Makes dots of the points in what is an address or a domain: `ada@example.org`.
fn take_dots(nodes: &mut [Node]) -> bool {
    let is_part = |node: &Node| match node {
        Node::Char(letter) => letter.is_ascii_alphanumeric() || "@-_".contains(*letter),
        Node::Any => true,
        _ => false,
    };
    let mut taken = false;
    for run in nodes.chunk_by_mut(|one, other| is_part(one) && is_part(other)) {
        let letters = run.iter().map(|node| match node {
            Node::Char(letter) => *letter,
            _ => '.',
        });
        let text: String = letters.collect();
        let text = text.to_ascii_lowercase();
        let Some((before, end)) = text.rsplit_once('.') else {
            continue;
        };
        let is_end = ENDS.contains(&end) || (end.len() == 2 && end != "ed");
        let is_name = !before.is_empty() && !text.starts_with('.') && !text.contains("..");
        if is_name && run.len() > 1 && (before.contains('@') || is_end) {
            for node in run.iter_mut().filter(|node| **node == Node::Any) {
                *node = Node::Char('.');
                taken = true;
            }
        }
    }
    taken
}

/// What an expression is after it has taken a letter: all ways on.
pub(super) fn after(nodes: &[Node], letter: char) -> Pattern {
    let mut ways = Vec::new();
    let mut steps = STEPS_MAX;
    take(nodes, letter, &mut steps, &mut ways);
    let mut distinct: Pattern = Vec::new();
    for way in ways {
        if !distinct.contains(&way) {
            distinct.push(way);
        }
    }
    // `.*x` has all that `x` has.
    let wide: Vec<Vec<Node>> = distinct
        .iter()
        .filter(|way| way.first() == Some(&Node::anything()))
        .filter_map(|way| way.get(1..).map(<[Node]>::to_vec))
        .collect();
    distinct.retain(|way| !wide.contains(way));
    distinct
}

fn take(nodes: &[Node], letter: char, steps: &mut usize, ways: &mut Pattern) {
    let Some((first, rest)) = nodes.split_first() else {
        return;
    };
    if *steps == 0 {
        return;
    }
    *steps -= 1;
    let onward = |inner: &Pattern, ways: &mut Pattern, before: &[Node], behind: &[Node]| {
        for way in inner {
            ways.push([before, way, behind].concat());
        }
    };
    match first {
        Node::Split => {
            let mut inner = Vec::new();
            take(rest, letter, steps, &mut inner);
            onward(&inner, ways, &[Node::Split], &[]);
        }
        Node::Group(alternatives) => {
            for one in alternatives {
                take(&[one, rest].concat(), letter, steps, ways);
            }
        }
        Node::Repeat { node, once, many } => {
            let mut inner = Vec::new();
            take(std::slice::from_ref(node), letter, steps, &mut inner);
            let again = Node::Repeat {
                node: node.clone(),
                once: false,
                many: true,
            };
            let again = many.then_some(again);
            let behind: Vec<Node> = again.into_iter().chain(rest.iter().cloned()).collect();
            onward(&inner, ways, &[], &behind);
            if !once {
                take(rest, letter, steps, ways);
            }
        }
        one if one.takes(letter) => ways.push(rest.to_vec()),
        _ => {}
    }
}

/// The few texts that a part of an expression can be, if it has no others.
pub(super) fn texts(nodes: &[Node], most: usize) -> Option<Vec<String>> {
    let mut all = vec![String::new()];
    for node in nodes {
        let options: Vec<String> = match node {
            Node::Char(letter) => vec![letter.to_string()],
            Node::Variable(name) => vec![format!("${{{name}}}")],
            Node::Group(alternatives) => {
                let each = alternatives.iter().map(|one| texts(one, most));
                each.collect::<Option<Vec<_>>>()?.concat()
            }
            Node::Repeat {
                node,
                once: false,
                many: false,
            } => {
                let mut options = vec![String::new()];
                options.extend(texts(std::slice::from_ref(node), most)?);
                options
            }
            _ => return None,
        };
        let joined = all.iter().flat_map(|before| {
            let join = move |option: &String| format!("{before}{option}");
            options.iter().map(join)
        });
        all = joined.collect();
        if all.len() > most {
            return None;
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        read(&[Piece::Text(text.to_owned())]).unwrap().pattern
    }

    #[test]
    fn points_in_addresses_are_dots() {
        for (text, dots) in [
            ("ada@example.org", true),
            ("lists.example.com", true),
            ("v.agra", false),
            ("x.*y", false),
            ("foo.ed", false),
            ("a@b.c.*", true),
        ] {
            let read = read(&[Piece::Text(text.to_owned())]).unwrap();
            assert_eq!(read.dots, dots, "{text}");
        }
    }

    #[test]
    fn what_is_no_expression_is_said() {
        for text in ["(a", "a)", "[a", "*a", "|+"] {
            assert!(read(&[Piece::Text(text.to_owned())]).is_err(), "{text}");
        }
        assert!(read(&[Piece::Text("(".repeat(100_000))]).is_err());
        pattern(&format!("{}a{}", "(".repeat(30), ")".repeat(30)));
    }

    #[test]
    fn a_letter_is_taken_from_the_front() {
        let after = |text: &str| after(&pattern(text)[0], ' ');
        assert_eq!(after(" foo"), pattern("foo"));
        assert_eq!(after("foo"), Pattern::new());
        assert_eq!(after(".*foo"), pattern(".*foo"));
        assert_eq!(after("[ x]+foo"), pattern("[ x]*foo"));
        assert_eq!(after(r"\<foo"), pattern("foo"));
        assert_eq!(after("( a|b| )x"), pattern("ax|x"));
        assert_eq!(after("(.*[^a-z])?x"), pattern(".*[^a-z]x|x"));
    }

    #[test]
    fn few_texts_are_told_apart() {
        let texts = |text: &str| texts(&pattern(text)[0], 4);
        assert_eq!(texts("colou?r").unwrap(), ["color", "colour"]);
        assert_eq!(texts("(a|b)c").unwrap(), ["ac", "bc"]);
        assert!(texts("(a|b)(c|d)(e|f)").is_none());
        assert!(texts("a.b").is_none());
    }
}
