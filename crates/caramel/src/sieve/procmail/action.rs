//! What recipes do, as commands; and what cannot be done, as comments.

use super::chain::only;
use super::condition::Tested;
use super::convert::{Conversion, ends};
use super::folder::{Place, template};
use super::rc::{Action, Item, Recipe};
use super::report::Remark;
use super::script::{Step, Test};
use super::words::{self, Piece, constant};

/// Addresses that one letter is sent on to (`[limits] redirects`).
const REDIRECTS_MAX: usize = 4;

/// A line that cannot be carried, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lost {
    line: usize,
    text: String,
    why: String,
}

impl Lost {
    pub(super) fn new(line: usize, text: &str, why: impl Into<String>) -> Self {
        Self {
            line,
            text: text.to_owned(),
            why: why.into(),
        }
    }

    /// The recipe as a whole.
    pub(super) fn of(recipe: &Recipe, why: impl Into<String>) -> Self {
        let text = recipe.lines.first().map(|(_, text)| text.as_str());
        Self::new(recipe.line, text.unwrap_or_default(), why)
    }

    /// Its action line.
    fn action(recipe: &Recipe, why: impl Into<String>) -> Self {
        match recipe.lines.last() {
            Some((line, text)) if recipe.action != Action::None => Self::new(*line, text, why),
            _ => Self::of(recipe, why),
        }
    }
}

/// A recipe carried over, as far as it can be.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) test: Result<Test, Lost>,
    pub(super) steps: Result<Vec<Step>, Lost>,
    /// The test asks whether the letter was seen before.
    pub(super) seen: bool,
}

impl Conversion<'_> {
    pub(super) fn make(&mut self, recipe: &Recipe) -> Made {
        let tested = self.conditions(recipe);
        if recipe.locks && tested.is_ok() {
            let text = recipe.lines.first().map(|(_, text)| text.clone());
            self.note(recipe.line, &text.unwrap_or_default(), "no lock is needed");
        }
        let (test, matched) = match tested {
            Ok((test, matched)) => (test, matched),
            Err(lost) => {
                return Made {
                    test: Err(lost),
                    steps: Ok(Vec::new()),
                    seen: false,
                };
            }
        };
        if let Action::Program(program) = &recipe.action
            && remembers(program)
            && recipe.flags.contains(['w', 'W'])
            && !recipe.has('f')
        {
            return self.seen_before((test, matched), recipe);
        }
        let steps = self.steps(recipe).map(|steps| {
            let mut all = Vec::new();
            if let Some(matched) = matched {
                all.push(Step::Set("MATCH".to_owned(), matched));
            }
            all.extend(steps);
            all
        });
        Made {
            test: Ok(test),
            steps,
            seen: false,
        }
    }

    /// `| formail -D 8192 cache`.
    fn seen_before(&mut self, (test, _): Tested, recipe: &Recipe) -> Made {
        let text = recipe.lines.last().map(|(_, text)| text.clone());
        let why = "letters are remembered for 7 days, not as many as a file holds";
        self.note(recipe.line, &text.unwrap_or_default(), why);
        let steps = match recipe.has('c') || self.copying {
            true => Vec::new(),
            false => vec![Step::Discard, Step::Stop],
        };
        let mut tests = match test {
            Test::All(tests) => tests,
            test => vec![test],
        };
        tests.push(Test::Duplicate);
        Made {
            test: Ok(Test::all(tests)),
            steps: Ok(steps),
            seen: true,
        }
    }

    fn steps(&mut self, recipe: &Recipe) -> Result<Vec<Step>, Lost> {
        let action = |why: String| Lost::action(recipe, why);
        if recipe.has('f') {
            return Err(action("a program changes the letter".to_owned()));
        }
        let is_part = recipe.has('h') != recipe.has('b');
        match &recipe.action {
            Action::Folder(_) | Action::Forward(_) if is_part => {
                Err(action("only a part of the letter is delivered".to_owned()))
            }
            Action::Folder(text) => self.file_into(text, recipe).map_err(action),
            Action::Forward(text) => self.forward(text, recipe).map_err(action),
            Action::Program(program) => Err(action(told(program).to_owned())),
            Action::None => Err(Lost::of(recipe, "it has no action")),
            Action::Block(items) if recipe.has('c') => self.copied(items, recipe),
            Action::Block(items) => Ok(self.block(items, recipe)),
        }
    }

    fn block(&mut self, items: &[Item], recipe: &Recipe) -> Vec<Step> {
        let maildir = self.folders.current.clone();
        self.depth += 1;
        let steps = self.items(items);
        self.depth -= 1;
        if self.folders.current != maildir {
            self.folders.current = match ends(&steps) {
                true => maildir,
                false => Err(format!(
                    "where MAILDIR is depends on the recipe of line {}",
                    recipe.line
                )),
            };
        }
        steps
    }

    /// A block for a copy: the letter itself goes on behind it.
    fn copied(&mut self, items: &[Item], recipe: &Recipe) -> Result<Vec<Step>, Lost> {
        let around = std::mem::replace(&mut self.copying, true);
        self.depth += 1;
        let steps = self.copies(items, recipe);
        self.depth -= 1;
        self.copying = around;
        steps
    }

    fn copies(&mut self, items: &[Item], around: &Recipe) -> Result<Vec<Step>, Lost> {
        let Some((item, rest)) = items.split_first() else {
            let why = "the copy goes on behind its block";
            return Err(Lost::of(around, why));
        };
        let recipe = match item {
            Item::Recipe(recipe) if !recipe.follows() => recipe,
            Item::Recipe(recipe) => {
                return Err(Lost::of(
                    recipe,
                    "recipes depend on each other in a copy's block",
                ));
            }
            Item::Assignment(assignment) => {
                let (steps, _) = self.assign(assignment);
                let mut all = steps;
                all.extend(self.copies(rest, around)?);
                return Ok(all);
            }
            Item::Unread { line, text, why } => return Err(Lost::new(*line, text, *why)),
        };
        if matches!(recipe.action, Action::Block(_)) && !recipe.has('c') {
            return Err(Lost::of(recipe, "a block stands in a copy's block"));
        }
        let Made { test, steps, .. } = self.make(recipe);
        let (test, steps) = (test?, steps?);
        if recipe.has('c') {
            let mut all = only(test, steps);
            all.extend(self.copies(rest, around)?);
            return Ok(all);
        }
        if test == Test::True {
            return Ok(steps);
        }
        let otherwise = self.copies(rest, around)?;
        Ok(vec![Step::If(vec![(test, steps), (Test::True, otherwise)])])
    }

    fn file_into(&mut self, text: &str, recipe: &Recipe) -> Result<Vec<Step>, String> {
        let copy = recipe.has('c') || self.copying;
        let line = recipe.lines.last().map_or(recipe.line, |(line, _)| *line);
        let mut steps = Vec::new();
        for word in words::words(text, self)? {
            for end in [word.first(), word.last()].into_iter().flatten() {
                if let Piece::Variable(name) | Piece::Disarmed(name) = end
                    && self.facts.paths.contains(name)
                {
                    return Err(format!("{name} holds more of a path than a name"));
                }
            }
            let (place, note) = self.folders.place(&template(&word)?)?;
            if let Some(note) = note {
                self.note(line, text, note);
            }
            match place {
                Place::Inbox => steps.push(Step::Keep),
                Place::Mailbox(mailbox) => steps.push(Step::FileInto { mailbox, copy }),
                Place::Nowhere if copy => {}
                Place::Nowhere => steps.push(Step::Discard),
            }
        }
        if steps.is_empty() && !copy {
            return Err("it names no folder".to_owned());
        }
        if !copy {
            steps.push(Step::Stop);
        }
        Ok(steps)
    }

    fn forward(&mut self, text: &str, recipe: &Recipe) -> Result<Vec<Step>, String> {
        let copy = recipe.has('c') || self.copying;
        let mut steps = Vec::new();
        for word in words::words(text, self)? {
            let word = constant(&word).ok_or("to whom it goes depends on the letter")?;
            for address in word.split(',').filter(|part| !part.is_empty()) {
                if address.starts_with('-') {
                    return Err("it has options for sendmail".to_owned());
                }
                if mail::Address::parse(address).is_err() {
                    return Err(format!("{address} is no address with a domain"));
                }
                let address = address.to_owned();
                steps.push(Step::Redirect { address, copy });
            }
        }
        if steps.is_empty() || steps.len() > REDIRECTS_MAX {
            return Err("a letter is sent on to between one and four addresses".to_owned());
        }
        if !copy {
            steps.push(Step::Stop);
        }
        Ok(steps)
    }

    /// Says that a recipe is not carried, and all that depends on its conditions; as comments.
    pub(super) fn bury(&mut self, recipe: &Recipe, lost: Lost) -> Vec<Step> {
        let mut lines = recipe.lines.clone();
        let mut inner = Vec::new();
        if let Action::Block(items) = &recipe.action {
            below(items, 1, &mut lines, &mut inner);
            lines.push((recipe.line, "}".to_owned()));
        }
        // What the block itself is lost for is said by the line it stands in.
        inner.retain(|(line, _)| *line != lost.line);
        let around = recipe.line;
        let steps = self.lose(lost, &lines);
        for (line, text) in inner {
            let why = format!("it is in the block of line {around}, which is not carried");
            self.is_lost(line, &text, why);
        }
        steps
    }

    /// A line is told of once.
    fn is_lost(&mut self, line: usize, text: &str, why: String) {
        let remark = self.remark(line, text, why);
        let same = |one: &Remark| one.line == remark.line && one.file == remark.file;
        if !self.report.lost.iter().any(same) {
            self.report.lost.push(remark);
        }
    }

    /// Says that some lines are not carried.
    pub(super) fn lose(&mut self, lost: Lost, lines: &[(usize, String)]) -> Vec<Step> {
        let Lost { line, text, why } = lost;
        let mut steps = vec![
            Step::Gap,
            Step::Comment(format!("{}:{line}: not carried: {why}", self.file())),
        ];
        let written = lines.iter().flat_map(|(_, text)| text.lines());
        let comment = |text: &str| Step::Comment(format!("  {}", text.trim_end()));
        steps.extend(written.map(comment));
        self.is_lost(line, &text, why);
        steps
    }
}

/// The lines of a block, and the first line of each thing in it.
fn below(
    items: &[Item],
    depth: usize,
    lines: &mut Vec<(usize, String)>,
    firsts: &mut Vec<(usize, String)>,
) {
    let margin = "  ".repeat(depth);
    for item in items {
        let (line, text) = match item {
            Item::Recipe(recipe) => {
                let margined = recipe.lines.iter();
                lines.extend(margined.map(|(line, text)| (*line, format!("{margin}{text}"))));
                let first = recipe.lines.first();
                firsts.extend(first.cloned());
                if let Action::Block(items) = &recipe.action {
                    below(items, depth + 1, lines, firsts);
                    lines.push((recipe.line, format!("{margin}}}")));
                }
                continue;
            }
            Item::Assignment(one) => match &one.value {
                Some(value) => (one.line, format!("{}={value}", one.name)),
                None => (one.line, one.name.clone()),
            },
            Item::Unread { line, text, .. } => (*line, text.clone()),
        };
        lines.push((line, format!("{margin}{text}")));
        firsts.push((line, text));
    }
}

/// `formail -D 8192 cache`, and nothing else.
fn remembers(program: &str) -> bool {
    let words: Vec<&str> = program.split_whitespace().collect();
    let [name, "-D", size, cache] = words.as_slice() else {
        return false;
    };
    let is_plain = !cache.contains(['|', ';', '&', '>', '<']);
    name.rsplit('/').next() == Some("formail") && size.parse::<u64>().is_ok() && is_plain
}

/// Why a program is not run, and what there is in its place.
fn told(program: &str) -> &'static str {
    let has = |name: &str| program.contains(name);
    if has("formail") && has("-r") {
        "a program answers the letter; a script has `vacation`"
    } else if has("vacation") {
        "a program answers the letter; a script has `vacation` itself"
    } else if has("endmail") {
        "a program sends the letter on; a script has `redirect`"
    } else {
        "a program is run"
    }
}
