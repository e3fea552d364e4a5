//! Tokens read as commands, tests and their arguments (RFC 5228 §8.2), whatever they mean.

use crate::fault::{Fault, Place};
use crate::lexer::{Kind, Token};

/// A command or a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) place: Place,
    /// The name as written.
    pub(crate) name: String,
    pub(crate) arguments: Vec<Written>,
    pub(crate) tests: Vec<Self>,
    pub(crate) block: Option<Vec<Self>>,
}

/// An argument as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// Without its colon.
    Tag(String),
    Number(u64),
    Text(String),
    List(Vec<(Place, String)>),
}

impl Value {
    pub(crate) const fn named(&self) -> &'static str {
        match self {
            Self::Tag(_) => "a tag",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list of strings",
        }
    }
}

/// Reads all commands; what cannot be read is reported and passed over.
pub(crate) fn parse(
    tokens: Vec<Token>,
    nesting_max: usize,
    faults: &mut Vec<Fault>,
) -> Vec<Statement> {
    let mut parser = Parser {
        tokens: tokens.into_iter().peekable(),
        depth: 0,
        nesting_max,
        faults,
    };
    let mut statements = Vec::new();
    loop {
        parser.commands(&mut statements);
        let token = parser.next();
        match token.kind {
            Kind::End => return statements,
            other => parser.unexpected(token.place, &other, "a command"),
        }
    }
}

struct Parser<'a> {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    depth: usize,
    nesting_max: usize,
    faults: &'a mut Vec<Fault>,
}

/// The statement is given up; a fault says why.
struct GivenUp;

impl Parser<'_> {
    fn next(&mut self) -> Token {
        self.tokens.next().unwrap_or_else(|| Token {
            place: Place::default(),
            kind: Kind::End,
        })
    }

    fn is_at(&mut self, mark: char) -> bool {
        self.tokens.peek().map(|token| &token.kind) == Some(&Kind::Mark(mark))
    }

    fn take(&mut self, mark: char) -> bool {
        let found = self.is_at(mark);
        if found {
            self.tokens.next();
        }
        found
    }

    fn unexpected(&mut self, place: Place, found: &Kind, wanted: &str) {
        let text = format!("expected {wanted}, found {}", found.named());
        self.faults.push(Fault::new(place, text));
    }

    fn expect(&mut self, mark: char) -> Result<(), GivenUp> {
        if self.take(mark) {
            return Ok(());
        }
        let found = self.tokens.peek().cloned();
        if let Some(token) = found {
            self.unexpected(token.place, &token.kind, &format!("'{mark}'"));
        }
        Err(GivenUp)
    }

    /// Reads commands as long as there are names.
    fn commands(&mut self, into: &mut Vec<Statement>) {
        while let Some(Token {
            kind: Kind::Identifier(_),
            ..
        }) = self.tokens.peek()
        {
            let depth = self.depth;
            match self.command() {
                Ok(statement) => into.push(statement),
                Err(GivenUp) => {
                    self.depth = depth;
                    self.recover();
                }
            }
        }
    }

    /// Goes on behind the next `;` or block.
    fn recover(&mut self) {
        let mut depth = 0_usize;
        while let Some(token) = self.tokens.peek() {
            match token.kind {
                Kind::End => return,
                Kind::Mark('{') => depth += 1,
                Kind::Mark('}') if depth == 0 => return,
                Kind::Mark('}') => {
                    depth -= 1;
                    if depth == 0 {
                        self.tokens.next();
                        return;
                    }
                }
                Kind::Mark(';') if depth == 0 => {
                    self.tokens.next();
                    return;
                }
                _ => {}
            }
            self.tokens.next();
        }
    }

    fn command(&mut self) -> Result<Statement, GivenUp> {
        let mut statement = self.named()?;
        if self.is_at('{') {
            self.deeper(statement.place)?;
            self.take('{');
            let mut block = Vec::new();
            self.commands(&mut block);
            self.depth -= 1;
            self.expect('}')?;
            statement.block = Some(block);
        } else {
            self.expect(';')?;
        }
        Ok(statement)
    }

    fn deeper(&mut self, place: Place) -> Result<(), GivenUp> {
        if self.depth >= self.nesting_max {
            self.faults.push(Fault::new(place, "nested too deeply"));
            return Err(GivenUp);
        }
        self.depth += 1;
        Ok(())
    }

    /// Reads a name, its arguments and its tests.
    fn named(&mut self) -> Result<Statement, GivenUp> {
        let token = self.next();
        let Kind::Identifier(name) = token.kind else {
            self.unexpected(token.place, &token.kind, "a test");
            return Err(GivenUp);
        };
        let mut statement = Statement {
            place: token.place,
            name,
            arguments: Vec::new(),
            tests: Vec::new(),
            block: None,
        };
        while let Some(argument) = self.argument()? {
            statement.arguments.push(argument);
        }
        match self.tokens.peek().map(|token| &token.kind) {
            Some(Kind::Identifier(_)) => {
                self.deeper(statement.place)?;
                statement.tests.push(self.named()?);
                self.depth -= 1;
            }
            Some(Kind::Mark('(')) => {
                self.deeper(statement.place)?;
                self.tokens.next();
                loop {
                    statement.tests.push(self.named()?);
                    if !self.take(',') {
                        break;
                    }
                }
                self.expect(')')?;
                self.depth -= 1;
            }
            _ => {}
        }
        Ok(statement)
    }

    fn argument(&mut self) -> Result<Option<Written>, GivenUp> {
        let Some(token) = self.tokens.peek() else {
            return Ok(None);
        };
        let place = token.place;
        let value = match &token.kind {
            Kind::Tag(name) => Value::Tag(name.clone()),
            Kind::Number(number) => Value::Number(*number),
            Kind::Text(text) => Value::Text(text.clone()),
            Kind::Mark('[') => {
                self.tokens.next();
                let list = self.list()?;
                let value = Value::List(list);
                return Ok(Some(Written { place, value }));
            }
            Kind::Identifier(_) | Kind::Mark(_) | Kind::End => return Ok(None),
        };
        self.tokens.next();
        Ok(Some(Written { place, value }))
    }

    fn list(&mut self) -> Result<Vec<(Place, String)>, GivenUp> {
        let mut list = Vec::new();
        loop {
            let token = self.next();
            match token.kind {
                Kind::Text(text) => list.push((token.place, text)),
                other => {
                    self.unexpected(token.place, &other, "a string");
                    return Err(GivenUp);
                }
            }
            if !self.take(',') {
                break;
            }
        }
        self.expect(']')?;
        Ok(list)
    }
}
