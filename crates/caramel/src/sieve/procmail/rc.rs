//! The text of an rc file taken apart: assignments and recipes, each with the lines it stands in.
//!
//! Not here: what they mean (`convert`). The grammar is that of procmailrc(5).

/// Blocks inside one another.
const NESTING_MAX: usize = 24;

/// One thing an rc file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Assignment(Assignment),
    Recipe(Recipe),
    /// What cannot be read, and why.
    Unread {
        line: usize,
        text: String,
        why: &'static str,
    },
}

/// `NAME=value`, or `NAME` alone, which takes it away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) line: usize,
    pub(super) name: String,
    /// As it is written, with its quotes.
    pub(super) value: Option<String>,
}

/// A recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recipe {
    /// The line of its colon.
    pub(super) line: usize,
    /// What it is written as, each line with its number; without what a block has inside.
    pub(super) lines: Vec<(usize, String)>,
    /// Comments right above it, without their `#`.
    pub(super) comments: Vec<String>,
    pub(super) flags: String,
    pub(super) locks: bool,
    pub(super) conditions: Vec<(usize, String)>,
    pub(super) action: Action,
}

/// What a recipe does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Block(Vec<Item>),
    Forward(String),
    Program(String),
    Folder(String),
    /// The file ends, or something else begins.
    None,
}

impl Recipe {
    pub(super) fn has(&self, flag: char) -> bool {
        self.flags.contains(flag)
    }

    /// True if whether it runs depends on the recipe before it.
    pub(super) fn follows(&self) -> bool {
        self.flags.contains(['A', 'a', 'E', 'e'])
    }
}

/// Reads an rc file.
pub(super) fn read(text: &str) -> Vec<Item> {
    let mut reader = Reader {
        lines: text
            .lines()
            .map(|line| line.trim_end_matches('\r'))
            .collect(),
        at: 0,
        rest: None,
        comments: Vec::new(),
    };
    reader.items(0)
}

struct Reader<'a> {
    lines: Vec<&'a str>,
    /// The next line.
    at: usize,
    /// What is left of a line, and that line's number.
    rest: Option<(usize, String)>,
    comments: Vec<String>,
}

impl Reader<'_> {
    /// The next line with those it goes on in, with the number of its first.
    fn line(&mut self) -> Option<(usize, String)> {
        if let Some(rest) = self.rest.take() {
            return Some(rest);
        }
        let first = (*self.lines.get(self.at)?).to_owned();
        self.at += 1;
        let number = self.at;
        let mut line = first;
        if line.trim_start().starts_with('#') {
            return Some((number, line));
        }
        while goes_on(&line) {
            line.pop();
            let Some(next) = self.lines.get(self.at) else {
                break;
            };
            self.at += 1;
            // procmailrc(5), CAVEATS: indented as one likes, but where the shell's rules hold.
            let text = line.trim_start();
            let is_condition = text.starts_with('*');
            let is_shell = text
                .trim_start_matches(['*', ' ', '\t', '!'])
                .starts_with('$');
            line.push_str(if is_condition && !is_shell {
                next.trim_start()
            } else {
                next
            });
        }
        Some((number, line))
    }

    fn items(&mut self, depth: usize) -> Vec<Item> {
        let mut items = Vec::new();
        while let Some((number, line)) = self.line() {
            let text = line.trim();
            if text.is_empty() {
                self.comments.clear();
            } else if let Some(comment) = text.strip_prefix('#') {
                self.comments.push(comment.trim().to_owned());
            } else if let Some(rest) = text.strip_prefix('}') {
                self.put_back(number, rest);
                if depth > 0 {
                    return items;
                }
                items.push(unread(number, "}", "nothing is open that it closes"));
            } else if text.starts_with(':') {
                items.push(self.recipe((number, text), depth));
            } else {
                let comments = std::mem::take(&mut self.comments);
                let text = text.to_owned();
                items.push(self.assignment(number, &text));
                drop(comments);
            }
        }
        items
    }

    fn put_back(&mut self, number: usize, rest: &str) {
        let rest = rest.trim();
        if !rest.is_empty() && !rest.starts_with('#') {
            self.rest = Some((number, rest.to_owned()));
        }
    }

    fn assignment(&mut self, number: usize, text: &str) -> Item {
        let end = text.find(|letter: char| !is_name(letter));
        let (name, rest) = text.split_at(end.unwrap_or(text.len()));
        let is_number = name.starts_with(|letter: char| letter.is_ascii_digit());
        if name.is_empty() || is_number {
            return unread(number, text, "it is no assignment and no recipe");
        }
        let Some(value) = rest.trim_start().strip_prefix('=') else {
            self.put_back(number, rest);
            return Item::Assignment(Assignment {
                line: number,
                name: name.to_owned(),
                value: None,
            });
        };
        let mut value = value.trim_start().to_owned();
        let end = loop {
            match word_end(&value) {
                Some(end) => break end,
                // A quoted text may have lines.
                None => match self.lines.get(self.at) {
                    Some(next) => {
                        value.push('\n');
                        value.push_str(next);
                        self.at += 1;
                    }
                    None => break value.len(),
                },
            }
        };
        let (value, rest) = value.split_at(end);
        self.put_back(number, rest);
        Item::Assignment(Assignment {
            line: number,
            name: name.to_owned(),
            value: Some(value.to_owned()),
        })
    }

    fn recipe(&mut self, (number, text): (usize, &str), depth: usize) -> Item {
        let comments = std::mem::take(&mut self.comments);
        let mut lines = vec![(number, text.to_owned())];
        let head = text.trim_start_matches(':');
        let head = head.split('#').next().unwrap_or_default();
        let digits = head.trim_start_matches(|letter: char| letter.is_ascii_digit());
        let count = head.get(..head.len() - digits.len()).unwrap_or_default();
        // NOTES: in the old days the number was that of the conditions.
        let old: usize = count
            .parse()
            .unwrap_or_else(|_| usize::from(count.is_empty()));
        let (flags, lock) = match digits.split_once(':') {
            Some((flags, _)) => (flags, true),
            None => (digits, false),
        };
        let mut recipe = Recipe {
            line: number,
            lines: Vec::new(),
            comments,
            flags: flags.split_whitespace().collect(),
            locks: lock,
            conditions: Vec::new(),
            action: Action::None,
        };
        let mut first = None;
        while let Some((at, line)) = self.line() {
            let text = line.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let condition = text.strip_prefix('*');
            let old = (recipe.conditions.len() < old).then_some(text);
            let Some(condition) = condition.or(old) else {
                first = Some((at, line));
                break;
            };
            lines.push((at, text.to_owned()));
            recipe.conditions.push((at, condition.trim().to_owned()));
        }
        recipe.lines = lines;
        if let Some((at, line)) = first {
            self.action((at, line.trim()), &mut recipe, depth);
        }
        Item::Recipe(recipe)
    }

    fn action(&mut self, (at, text): (usize, &str), recipe: &mut Recipe, depth: usize) {
        let opens = text.strip_prefix('{');
        let opens = opens.filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t']));
        if let Some(rest) = opens {
            recipe.lines.push((at, "{".to_owned()));
            self.put_back(at, rest);
            let inside = if depth < NESTING_MAX {
                self.items(depth + 1)
            } else {
                let why = "blocks are nested too deep";
                self.at = self.lines.len();
                vec![unread(at, text, why)]
            };
            self.comments.clear();
            recipe.action = Action::Block(inside);
            return;
        }
        if text.starts_with([':', '}']) {
            self.rest = Some((at, text.to_owned()));
            return;
        }
        recipe.lines.push((at, text.to_owned()));
        recipe.action = if let Some(to) = text.strip_prefix('!') {
            Action::Forward(to.trim().to_owned())
        } else if let Some(program) = text.strip_prefix('|') {
            Action::Program(program.trim().to_owned())
        } else if takes_output(text) {
            Action::Program(text.to_owned())
        } else {
            Action::Folder(text.to_owned())
        };
    }
}

fn unread(line: usize, text: &str, why: &'static str) -> Item {
    Item::Unread {
        line,
        text: text.to_owned(),
        why,
    }
}

/// True if a line ends with a backslash that nothing quotes.
fn goes_on(line: &str) -> bool {
    line.bytes()
        .rev()
        .take_while(|&octet| octet == b'\\')
        .count()
        % 2
        == 1
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// `NAME=|program`.
fn takes_output(text: &str) -> bool {
    let rest = text.trim_start_matches(is_name);
    let value = rest.trim_start().strip_prefix('=');
    rest.len() < text.len() && value.is_some_and(|value| value.trim_start().starts_with('|'))
}

/// Where a word with quotes ends; nothing if a quote stays open.
fn word_end(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match (quote, letter) {
            (Some('\''), '\'') | (Some('"'), '"') | (Some('`'), '`') => quote = None,
            (Some('\''), _) => {}
            (_, '\\') => {
                letters.next();
            }
            (Some(_), _) => {}
            (None, '\'' | '"' | '`') => quote = Some(letter),
            (None, letter) if letter.is_whitespace() => return Some(at),
            (None, _) => {}
        }
    }
    quote.is_none().then_some(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(text: &str) -> Recipe {
        match read(text).pop() {
            Some(Item::Recipe(recipe)) => recipe,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn assignments_are_read_as_the_shell_reads_them() {
        let text = "A=1 B = \"two words\" C\n D='x\ny' # no more\n{";
        let mut found = Vec::new();
        for item in read(text) {
            if let Item::Assignment(one) = item {
                found.push((one.line, one.name, one.value.unwrap_or_default()));
            }
        }
        let expected = [
            (1, "A", "1"),
            (1, "B", "\"two words\""),
            (1, "C", ""),
            (2, "D", "'x\ny'"),
        ];
        let expected: Vec<_> = expected
            .map(|(line, name, value)| (line, name.to_owned(), value.to_owned()))
            .into();
        assert_eq!(found, expected);
    }

    #[test]
    fn recipes_have_flags_conditions_and_an_action() {
        let one =
            recipe("# the boss\n:0 Bc:lock\n* ^From:.*\\\n   boss\n# yes\n*!  x\nWork/ # y\n");
        assert_eq!((one.flags.as_str(), one.locks, one.line), ("Bc", true, 2));
        assert_eq!(one.comments, ["the boss"]);
        let conditions = [(3, "^From:.*boss".to_owned()), (6, "!  x".to_owned())];
        assert_eq!(one.conditions, conditions);
        assert_eq!(one.action, Action::Folder("Work/ # y".to_owned()));
        let old = recipe(":2\n^From: a\n^To: b\nfolder");
        assert_eq!(old.conditions.len(), 2);
        assert_eq!(
            recipe(":0fw\n| spamc").action,
            Action::Program("spamc".to_owned())
        );
        let taken = Action::Program("X=| formail -x".to_owned());
        assert_eq!(recipe(":0\nX=| formail -x").action, taken);
    }

    #[test]
    fn blocks_are_nested() {
        let one = recipe(":0\n* a\n{ X=1\n :0\n { }\n}\n");
        let Action::Block(inside) = one.action else {
            panic!("{one:?}")
        };
        assert!(matches!(
            inside.as_slice(),
            [Item::Assignment(_), Item::Recipe(_)]
        ));
        let deep = ":0\n{\n".repeat(100);
        assert_eq!(read(&deep).len(), 1);
        let items = read("}\n:0\nx");
        assert!(matches!(
            items.as_slice(),
            [Item::Unread { .. }, Item::Recipe(_)]
        ));
    }
}
