//! Recipes that belong together: `A`, `a`, `E` and `e` look at the recipe before.

use super::action::{Lost, Made};
use super::convert::{Conversion, ends};
use super::rc::{Item, Recipe};
use super::script::{How, Keys, Step, Test};

impl Conversion<'_> {
    /// What the first recipe and those that depend on it come to, and how many items they are.
    pub(super) fn chain(&mut self, items: &[Item]) -> (Vec<Step>, usize) {
        let mut taken = 1;
        // An assignment between two recipes does not come between them.
        for (at, item) in items.iter().enumerate().skip(1) {
            match item {
                Item::Recipe(recipe) if recipe.follows() => taken = at + 1,
                Item::Assignment(_) => {}
                _ => break,
            }
        }
        let mut links = Vec::new();
        let mut between = false;
        for item in items.iter().take(taken) {
            match item {
                Item::Recipe(recipe) => links.push(Link::Recipe(recipe, self.make(recipe))),
                Item::Assignment(assignment) => {
                    let (steps, _) = self.assign(assignment);
                    between |= !steps.is_empty();
                    links.push(Link::Steps(steps));
                }
                Item::Unread { .. } => {}
            }
        }
        let mut steps = vec![Step::Gap];
        let comments = links.iter().find_map(|link| match link {
            Link::Recipe(recipe, _) => Some(&recipe.comments),
            Link::Steps(_) => None,
        });
        steps.extend(comments.into_iter().flatten().cloned().map(Step::Comment));
        let (links, buried) = self.sift(links);
        let followers = links.iter().skip(1).filter_map(|link| match link {
            Found::Branch(branch) => Some(branch.recipe),
            Found::Steps(_) => None,
        });
        let followers: Vec<&Recipe> = followers.collect();
        let all_else = followers.iter().all(|one| !one.flags.contains(['A', 'a']));
        let all_also = followers.iter().all(|one| !one.has('E'));
        if !between && all_else {
            steps.extend(choice(links));
        } else if !between && all_also {
            steps.extend(self.nest(links));
        } else {
            steps.extend(self.remember(links));
        }
        steps.extend(buried);
        (steps, taken)
    }

    /// Takes out what cannot be carried, and what depends on that; it becomes comments.
    fn sift<'r>(&mut self, links: Vec<Link<'r>>) -> (Vec<Found<'r>>, Vec<Step>) {
        let mut found = Vec::new();
        let mut buried = Vec::new();
        let mut before = Before::default();
        let depends = |link: &Link<'_>| match link {
            Link::Recipe(recipe, _) => recipe.follows(),
            Link::Steps(_) => false,
        };
        let has_next: Vec<bool> = (1..=links.len())
            .map(|at| {
                let mut rest = links.iter().skip(at);
                let next = rest.find(|link| matches!(link, Link::Recipe(..)));
                next.is_some_and(depends)
            })
            .collect();
        for (link, has_next) in links.into_iter().zip(has_next) {
            let (recipe, made) = match link {
                Link::Steps(steps) => {
                    found.push(Found::Steps(steps));
                    continue;
                }
                Link::Recipe(recipe, made) => (recipe, made),
            };
            let first = before.line == 0;
            let why = if first { None } else { before.against(recipe) };
            let also = recipe.flags.contains(['A', 'a']);
            if let Some(why) = why {
                let lost = Lost::of(recipe, why);
                before.lost(recipe, also);
                buried.extend(self.bury(recipe, lost));
                continue;
            }
            let Made { test, steps, seen } = made;
            let test = match test {
                Ok(test) => test,
                Err(lost) => {
                    before.lost(recipe, also);
                    buried.extend(self.bury(recipe, lost));
                    continue;
                }
            };
            let carried = steps.is_ok();
            let steps = match steps {
                Ok(steps) => steps,
                Err(lost) if has_next => self.bury(recipe, lost),
                Err(lost) => {
                    before.lost(recipe, also);
                    buried.extend(self.bury(recipe, lost));
                    continue;
                }
            };
            before = Before {
                line: recipe.line,
                unknown: also && before.unknown,
                skipped: false,
                failed: !carried,
                seen,
            };
            found.push(Found::Branch(Branch {
                recipe,
                test,
                steps,
            }));
        }
        (found, buried)
    }

    /// `A`: what depends on the first stands inside it.
    fn nest(&mut self, links: Vec<Found<'_>>) -> Vec<Step> {
        let mut branches = links.into_iter().filter_map(Found::branch);
        let Some(first) = branches.next() else {
            return Vec::new();
        };
        let mut steps = first.steps;
        for branch in branches {
            if ends(&steps) {
                let Recipe { line, lines, .. } = branch.recipe;
                let text = lines.first().map(|(_, text)| text.clone());
                let why = "it never runs: the letter has been delivered before";
                self.note(*line, &text.unwrap_or_default(), why);
                continue;
            }
            steps.extend(only(branch.test, branch.steps));
        }
        only(first.test, steps)
    }

    /// Everything else: variables say what has run.
    fn remember(&self, links: Vec<Found<'_>>) -> Vec<Step> {
        let (ran, last) = (
            format!("ran_{}", self.depth),
            format!("last_{}", self.depth),
        );
        let is = |name: &str, value: &str| {
            let keys = Keys {
                how: How::Is,
                keys: vec![value.to_owned()],
                exact: false,
            };
            Test::Text(format!("${{{name}}}"), keys)
        };
        let set = |name: &str, value: &str| Step::Set(name.to_owned(), value.to_owned());
        let mut steps = Vec::new();
        for (at, link) in links.into_iter().enumerate() {
            let branch = match link {
                Found::Steps(more) => {
                    steps.extend(more);
                    continue;
                }
                Found::Branch(branch) => branch,
            };
            let also = branch.recipe.flags.contains(['A', 'a']) && at > 0;
            let otherwise = branch.recipe.has('E') && at > 0;
            let mut tests = Vec::new();
            let mut inside = vec![set(&ran, "yes")];
            if otherwise {
                tests.push(is(&ran, ""));
            } else {
                steps.push(set(&ran, ""));
            }
            if also {
                tests.push(is(&last, "yes"));
            } else {
                steps.push(set(&last, ""));
                inside.push(set(&last, "yes"));
            }
            match branch.test {
                Test::All(more) => tests.extend(more),
                test => tests.push(test),
            }
            inside.extend(branch.steps);
            steps.extend(only(Test::all(tests), inside));
        }
        steps
    }
}

enum Link<'a> {
    Recipe(&'a Recipe, Made),
    Steps(Vec<Step>),
}

enum Found<'a> {
    Branch(Branch<'a>),
    Steps(Vec<Step>),
}

impl<'a> Found<'a> {
    fn branch(self) -> Option<Branch<'a>> {
        match self {
            Self::Branch(branch) => Some(branch),
            Self::Steps(_) => None,
        }
    }
}

struct Branch<'a> {
    recipe: &'a Recipe,
    test: Test,
    steps: Vec<Step>,
}

/// What is known of the recipes before one.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    line: usize,
    /// Whether the conditions that `A` looks at hold is not known.
    unknown: bool,
    /// Whether the recipe right before has run is not known.
    skipped: bool,
    /// Whether its action succeeds is not known.
    failed: bool,
    /// Its test asks whether the letter was seen before.
    seen: bool,
}

impl Before {
    fn lost(&mut self, recipe: &Recipe, also: bool) {
        *self = Self {
            line: recipe.line,
            unknown: !also || self.unknown,
            skipped: true,
            failed: true,
            seen: false,
        };
    }

    /// Why a recipe cannot follow.
    fn against(&self, recipe: &Recipe) -> Option<String> {
        let line = self.line;
        let depends = format!("it depends on the recipe of line {line}, which is not carried");
        if recipe.has('e') {
            return Some("it runs only where the recipe before has failed".to_owned());
        }
        if self.seen && !recipe.has('a') {
            return Some(format!("it depends on the program of line {line}"));
        }
        if recipe.has('a') && self.failed {
            return Some(depends);
        }
        let also = recipe.flags.contains(['A', 'a']) && self.unknown;
        let otherwise = recipe.has('E') && self.skipped;
        (also || otherwise).then_some(depends)
    }
}

/// `E`: one after the other, the first that holds.
fn choice(links: Vec<Found<'_>>) -> Vec<Step> {
    let branches = links.into_iter().filter_map(Found::branch);
    let mut branches: Vec<(Test, Vec<Step>)> =
        branches.map(|branch| (branch.test, branch.steps)).collect();
    match branches.len() {
        0 => Vec::new(),
        1 => {
            let (test, steps) = branches.remove(0);
            only(test, steps)
        }
        _ => {
            // Nothing comes behind what always holds.
            let always = branches.iter().position(|(test, _)| *test == Test::True);
            branches.truncate(always.map_or(branches.len(), |at| at + 1));
            if branches.len() == 1 {
                return branches.remove(0).1;
            }
            vec![Step::If(branches)]
        }
    }
}

/// One branch; none where it always holds.
pub(super) fn only(test: Test, steps: Vec<Step>) -> Vec<Step> {
    match test {
        Test::True => steps,
        test => vec![Step::If(vec![(test, steps)])],
    }
}
