//! The words that mailers give a program that delivers, by the name it is called.
//!
//! Not here: recipes of procmail, filters of maildrop: what a message is filed by is its reader's
//! script.

use std::path::PathBuf;

use crate::complaint::Complaint;
use crate::sysexits;

/// Whose options are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `deliver`: our own.
    Deliver,
    /// `procmail`.
    Procmail,
    /// `maildrop`.
    Maildrop,
}

/// All that was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) from: Option<String>,
    pub(super) to: Vec<String>,
    pub(super) extension: Option<String>,
    /// Fields to be put in front.
    pub(super) header: Vec<String>,
    pub(super) config: Option<PathBuf>,
    pub(super) help: bool,
    /// What is said to whoever called, and does not stop anything.
    pub(super) warnings: Vec<String>,
}

/// Letters that stand alone, and letters with a value.
const fn letters(dialect: Dialect) -> (&'static str, &'static str) {
    match dialect {
        Dialect::Deliver => ("", "adfC"),
        Dialect::Procmail => ("ptoYdvm", "afr"),
        Dialect::Maildrop => ("amv", "ADMVdfw"),
    }
}

impl Options {
    /// Reads the words behind the program's name.
    pub(super) fn read(dialect: Dialect, words: &[String]) -> Result<Self, Complaint> {
        let (alone, valued) = letters(dialect);
        let mut options = Self::default();
        let mut operands = Vec::new();
        let mut explicit = false;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(letters) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
                operands.push(word.clone());
                // Behind the first name nothing is an option, but to procmail.
                if dialect != Dialect::Procmail || explicit {
                    operands.extend(words.by_ref().cloned());
                }
                continue;
            };
            match letters {
                "-" => {
                    operands.extend(words.by_ref().cloned());
                    continue;
                }
                "-help" => {
                    options.help = true;
                    continue;
                }
                _ => {}
            }
            let mut rest = letters.chars();
            while let Some(letter) = rest.next() {
                if alone.contains(letter) {
                    explicit |= dialect == Dialect::Procmail && letter == 'd';
                    options.alone(dialect, letter)?;
                    continue;
                }
                if !valued.contains(letter) {
                    return Err(wrong(format!("there is no option -{letter}")));
                }
                let value = match rest.as_str() {
                    "" => words.next().cloned(),
                    behind => Some(behind.to_owned()),
                };
                let value = value.ok_or_else(|| wrong(format!("-{letter} needs a value")))?;
                options.valued(dialect, letter, value);
                break;
            }
        }
        options.operands(dialect, explicit, operands);
        Ok(options)
    }

    fn alone(&mut self, dialect: Dialect, letter: char) -> Result<(), Complaint> {
        match (dialect, letter) {
            (Dialect::Procmail, 'm') => Err(wrong(
                "messages are not filtered here: -m is procmail's own",
            )),
            (_, 'v') => {
                self.help = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn valued(&mut self, dialect: Dialect, letter: char, value: String) {
        match (dialect, letter) {
            (_, 'f' | 'r') => self.from = Some(value),
            (_, 'd') => self.to.push(value),
            (Dialect::Deliver, 'C') => self.config = Some(value.into()),
            // An address without an extension hands an empty one over.
            (Dialect::Deliver | Dialect::Procmail, 'a') => {
                self.extension = Some(value).filter(|value| !value.is_empty());
            }
            (Dialect::Maildrop, 'A') => self.header.push(value),
            _ => {}
        }
    }

    fn operands(&mut self, dialect: Dialect, explicit: bool, operands: Vec<String>) {
        match dialect {
            Dialect::Deliver => self.to.extend(operands),
            Dialect::Procmail if explicit => {
                let extension = self.extension.take();
                let with = |user: String| match &extension {
                    Some(extension) if !user.contains('@') => format!("{user}+{extension}"),
                    _ => user,
                };
                self.to.extend(operands.into_iter().map(with));
            }
            Dialect::Procmail | Dialect::Maildrop => {
                let is_file = |word: &&String| !word.contains('=');
                let is_procmail = dialect == Dialect::Procmail;
                if let Some(file) = operands.iter().find(is_file).filter(|_| is_procmail) {
                    self.warnings.push(format!(
                        "{file} is not read: messages are filed by their reader's script"
                    ));
                }
            }
        }
    }
}

fn wrong(what: impl Into<String>) -> Complaint {
    Complaint::usage(what).coded(sysexits::USAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_mailers_write() {
        use Dialect::{Deliver, Maildrop, Procmail};
        let read = |dialect, line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let options = Options::read(dialect, &words).unwrap();
            let from = options.from.unwrap_or_default();
            (
                options.to.join(","),
                from,
                options.extension.unwrap_or_default(),
            )
        };
        for (dialect, line, to, from, extension) in [
            (
                Deliver,
                "ada alan@example.org",
                "ada,alan@example.org",
                "",
                "",
            ),
            (Deliver, "-f x@y.example -d ada", "ada", "x@y.example", ""),
            (Deliver, "-a lists", "", "", "lists"),
            (Deliver, "-- -odd", "-odd", "", ""),
            // Postfix: mailbox_command as its manual has it.
            (Procmail, "-a lists", "", "", "lists"),
            (Procmail, "-a lists -d ada", "ada+lists", "", ""),
            (Procmail, "-Y -a  -d ada", "ada", "", ""),
            // Exim, sendmail's local mailer.
            (Procmail, "-t -Y -a x -d ada alan", "ada+x,alan+x", "", ""),
            (Procmail, "-tf x@y.example -d ada", "ada", "x@y.example", ""),
            (Procmail, "VERBOSE=on .procmailrc", "", "", ""),
            (
                Maildrop,
                "-w 90 -d ada@example.org lists ada",
                "ada@example.org",
                "",
                "",
            ),
            (
                Maildrop,
                "-V 2 -f x@y.example -d ada",
                "ada",
                "x@y.example",
                "",
            ),
        ] {
            let expected = (to.to_owned(), from.to_owned(), extension.to_owned());
            assert_eq!(read(dialect, line), expected, "{dialect:?} {line}");
        }
    }

    #[test]
    fn what_is_a_mistake() {
        let read = |dialect, word: &str| Options::read(dialect, &[word.to_owned()]);
        for (dialect, word) in [
            (Dialect::Deliver, "-q"),
            (Dialect::Deliver, "-f"),
            (Dialect::Procmail, "-m"),
            (Dialect::Maildrop, "-d"),
        ] {
            assert_eq!(
                read(dialect, word).unwrap_err().code,
                sysexits::USAGE,
                "{word}"
            );
        }
        let warned = read(Dialect::Procmail, "recipes").unwrap();
        assert_eq!(warned.warnings.len(), 1);
        let words = ["-A".to_owned(), "X-Spam: no".to_owned()];
        let field = Options::read(Dialect::Maildrop, &words).unwrap();
        assert_eq!(field.header, ["X-Spam: no"]);
    }
}
