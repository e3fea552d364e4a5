//! The words that mailers' callers give `sendmail`: read as they have always been.
//!
//! Letters may stand together (`-ti`), what belongs to one behind it or in the next word, and the
//! first word that is no option ends them. What is not known is a mistake; what other mailers make
//! of some letters, and we do not, is taken and left.

use std::path::PathBuf;

use mail::{Notify, Ret};
use server::notify;

use crate::complaint::Complaint;
use crate::sysexits;

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Hand in what standard input has.
    #[default]
    HandIn,
    /// Talk SMTP.
    Smtp,
    /// List the queue.
    Queue,
    /// Look at the aliases.
    Aliases,
    /// Run the server.
    Serve,
    /// Say who would be taken.
    Verify,
    /// Try letters of the queue now.
    Flush(Flushed),
}

/// Which letters of the queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flushed {
    pub(crate) id: Option<String>,
    pub(crate) to: Option<String>,
    pub(crate) from: Option<String>,
}

/// All that was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) mode: Mode,
    /// The configuration file, or that of another mailer.
    pub(crate) config: Option<PathBuf>,
    /// `-f`: the envelope's sender, as it is written.
    pub(crate) from: Option<String>,
    /// `-F`: the sender's name.
    pub(crate) full_name: Option<String>,
    /// `-N`.
    pub(crate) notify: Option<Notify>,
    /// `-R`.
    pub(crate) ret: Option<Ret>,
    /// `-V`.
    pub(crate) envid: Option<String>,
    /// `-t`: recipients are in the header as well.
    pub(crate) from_header: bool,
    /// `-i`: a line with a dot is a line.
    pub(crate) dots_are_lines: bool,
    /// `-G`: it comes through a gateway.
    pub(crate) gateway: bool,
    /// `-v`: the sender wants to hear what becomes of it.
    pub(crate) verbose: bool,
    /// `--json`, of the queue.
    pub(crate) json: bool,
    /// Words behind the options.
    pub(crate) words: Vec<String>,
    /// What is said to whoever called, and does not stop anything.
    pub(crate) warnings: Vec<String>,
}

/// What follows a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Follows {
    Nothing,
    /// A value, behind it or in the next word.
    Value,
    /// What stands behind it, if anything does.
    Rest,
}

/// All letters there are.
const LETTERS: &[(char, Follows)] = &[
    ('A', Follows::Value),
    ('B', Follows::Value),
    ('C', Follows::Value),
    ('D', Follows::Value),
    ('F', Follows::Value),
    ('G', Follows::Nothing),
    ('I', Follows::Nothing),
    ('L', Follows::Value),
    ('N', Follows::Value),
    ('O', Follows::Value),
    ('R', Follows::Value),
    ('U', Follows::Nothing),
    ('V', Follows::Value),
    ('X', Follows::Value),
    ('b', Follows::Value),
    ('d', Follows::Rest),
    ('e', Follows::Value),
    ('f', Follows::Value),
    ('h', Follows::Value),
    ('i', Follows::Nothing),
    ('m', Follows::Nothing),
    ('n', Follows::Nothing),
    ('o', Follows::Value),
    ('p', Follows::Value),
    ('q', Follows::Rest),
    ('r', Follows::Value),
    ('s', Follows::Nothing),
    ('t', Follows::Nothing),
    ('v', Follows::Nothing),
];

impl Options {
    /// Reads the words behind the program's name.
    pub(crate) fn read(words: &[String]) -> Result<Self, Complaint> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
                options.words.push(word.clone());
                break;
            };
            match letters {
                "-" => break,
                "-json" => {
                    options.json = true;
                    continue;
                }
                _ => {}
            }
            let mut rest = letters.chars();
            while let Some(letter) = rest.next() {
                let known = LETTERS.iter().find(|(known, _)| *known == letter);
                let value = match known.map(|(_, follows)| *follows) {
                    None => return Err(wrong(format!("there is no option -{letter}"))),
                    Some(Follows::Nothing) => String::new(),
                    Some(Follows::Rest) => std::mem::replace(&mut rest, "".chars()).collect(),
                    Some(Follows::Value) => match rest.as_str() {
                        "" => words
                            .next()
                            .cloned()
                            .ok_or_else(|| wrong(format!("-{letter} needs a value")))?,
                        _ => std::mem::replace(&mut rest, "".chars()).collect(),
                    },
                };
                options.take(letter, value)?;
            }
        }
        options.words.extend(words.cloned());
        Ok(options)
    }

    fn take(&mut self, letter: char, value: String) -> Result<(), Complaint> {
        match letter {
            'B' if !["7BIT", "8BITMIME"]
                .iter()
                .any(|body| value.eq_ignore_ascii_case(body)) =>
            {
                return Err(wrong("-B is followed by 7BIT or 8BITMIME"));
            }
            'C' => self.config = Some(value.into()),
            'F' => self.full_name = Some(value),
            'G' => self.gateway = true,
            'I' => self.mode = Mode::Aliases,
            'N' => match notify(&value) {
                Some(notify) => self.notify = Some(notify),
                None => self.warn(format!(
                    "-N {value} is left out: never, or success, failure, delay"
                )),
            },
            'R' => match value.to_ascii_lowercase().as_str() {
                "full" => self.ret = Some(Ret::Full),
                "hdrs" => self.ret = Some(Ret::Headers),
                _ => self.warn(format!("-R {value} is left out: full, or hdrs")),
            },
            'V' => self.envid = Some(value),
            'b' => self.mode = mode(&value)?,
            'f' | 'r' => self.from = Some(value),
            'i' => self.dots_are_lines = true,
            'o' if value == "i" => self.dots_are_lines = true,
            'q' => self.flush(&value),
            't' => self.from_header = true,
            'v' => self.verbose = true,
            _ => {}
        }
        Ok(())
    }

    /// `-q`, `-qI…`; beside a server that runs, the time between looks is its own affair.
    fn flush(&mut self, value: &str) {
        let mut flushed = Flushed::default();
        let of = |letter| value.strip_prefix(letter).map(str::to_owned);
        (flushed.id, flushed.to, flushed.from) = (of('I'), of('R'), of('S'));
        let is_time = value.starts_with(|first: char| first.is_ascii_digit());
        if !is_time && self.mode == Mode::HandIn {
            self.mode = Mode::Flush(flushed);
        }
        // A server that is to look now and then: it does.
        if is_time && self.mode == Mode::HandIn {
            self.mode = Mode::Serve;
        }
    }

    fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }
}

fn mode(value: &str) -> Result<Mode, Complaint> {
    Ok(match value {
        "m" => Mode::HandIn,
        "s" => Mode::Smtp,
        "p" => Mode::Queue,
        "i" => Mode::Aliases,
        "d" | "D" | "l" => Mode::Serve,
        "v" | "t" => Mode::Verify,
        _ => return Err(wrong(format!("there is no mode -b{value}"))),
    })
}

fn wrong(what: impl Into<String>) -> Complaint {
    let complaint = Complaint::usage(what).coded(sysexits::USAGE);
    complaint.next("docs/commands.md lists what sendmail knows: caramel sendmail --help")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options, Complaint> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::read(&words)
    }

    #[test]
    fn what_callers_write() {
        let base = Options::default;
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        for (line, expected) in [
            (
                "-FCronDaemon -i -B8BITMIME -oem root",
                Options {
                    full_name: Some("CronDaemon".into()),
                    dots_are_lines: true,
                    words: words(&["root"]),
                    ..base()
                },
            ),
            (
                "-ti -odb -f x@y.example",
                Options {
                    from_header: true,
                    dots_are_lines: true,
                    from: Some("x@y.example".into()),
                    ..base()
                },
            ),
            (
                "-oi -oem -- -odd",
                Options {
                    dots_are_lines: true,
                    words: words(&["-odd"]),
                    ..base()
                },
            ),
            (
                "root -f x",
                Options {
                    words: words(&["root", "-f", "x"]),
                    ..base()
                },
            ),
            (
                "-N success,delay -R hdrs -V QQ -bm -v a",
                Options {
                    notify: notify("success,delay"),
                    ret: Some(Ret::Headers),
                    envid: Some("QQ".into()),
                    verbose: true,
                    words: words(&["a"]),
                    ..base()
                },
            ),
            (
                "-bp --json",
                Options {
                    mode: Mode::Queue,
                    json: true,
                    ..base()
                },
            ),
            (
                "-bd -q30m",
                Options {
                    mode: Mode::Serve,
                    ..base()
                },
            ),
            (
                "-qRexample.net",
                Options {
                    mode: Mode::Flush(Flushed {
                        to: Some("example.net".into()),
                        ..Flushed::default()
                    }),
                    ..base()
                },
            ),
            (
                "-q",
                Options {
                    mode: Mode::Flush(Flushed::default()),
                    ..base()
                },
            ),
        ] {
            assert_eq!(read(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn what_is_left_and_what_is_a_mistake() {
        let ignored = "-Am -Ac -L label -h 5 -m -n -U -d0.1 -O Timeout=1 -o7 -X log -p smtp -em a";
        assert_eq!(read(ignored).unwrap().words, ["a"]);
        assert_eq!(read("-N bogus -R some a").unwrap().warnings.len(), 2);
        for line in ["-Q a", "-f", "-bz", "-B 9BIT", "--long"] {
            assert_eq!(read(line).unwrap_err().code, sysexits::USAGE, "{line}");
        }
    }
}
