//! fetchmail's options, as its manual lists them.

use super::rc::Entry;
use crate::complaint::Complaint;

/// What `--help` says.
pub(super) const USAGE: &str = "\
usage: fetchmail [options] [server …]
  -c, --check            say whether there is mail, fetch none
  -s, --silent           say nothing but what goes wrong
  -v, --verbose          say what is not carried
  -d, --daemon SECONDS   fetch again and again
  -N, --nodetach         do so here, not behind the terminal's back
  -q, --quit             end the daemon
  -L, --logfile FILE     where the daemon says what goes wrong
  -f, --fetchmailrc FILE the file; - for standard input
      --pidfile FILE     where the daemon's number is
  -k, --keep  -K, --nokeep  -a, --fetchall  -F, --flush
  -l, --limit OCTETS     larger messages stay there
  -p, --proto PROTOCOL   pop3, imap, etrn or odmr
      --fetchdomains LIST  with etrn and odmr, the domains, commas between them
  -u, --user NAME        whom to log in as
  -P, --port NUMBER      -r, --folder NAME      -B, --fetchlimit COUNT
      --ssl --sslproto NAME --sslcertfile FILE --sslfingerprint SHA256  --idle
  -E, --envelope HEADER  whom a message is for
  -V, --version          what is known of each server
The configuration is that of CARAMEL_CONFIG, or /etc/caramel/caramel.toml. A password that is not
in the file is read from FETCHMAIL_PASSWORD.";

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Asked {
    #[default]
    Fetch,
    Check,
    Version,
    Help,
    Quit,
}

/// All that was said.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) asked: Asked,
    pub(super) silent: bool,
    pub(super) verbose: bool,
    /// It does not go behind the terminal's back.
    pub(super) stays: bool,
    pub(super) daemon_seconds: Option<u64>,
    pub(super) log_file: Option<String>,
    pub(super) file: Option<String>,
    pub(super) pid_file: Option<String>,
    /// What is changed of each server.
    pub(super) change: Vec<Change>,
    pub(super) servers: Vec<String>,
    /// What is not carried.
    pub(super) passed_over: Vec<String>,
}

/// A change of an entry.
#[derive(Debug)]
pub(super) struct Change {
    set: fn(&mut Entry, &str),
    value: String,
}

impl Change {
    pub(super) fn apply(&self, entry: &mut Entry) {
        (self.set)(entry, &self.value);
    }
}

/// An option.
struct Known {
    short: Option<char>,
    long: &'static [&'static str],
    does: Does,
}

/// What an option does.
enum Does {
    /// It is for the program.
    Flag(fn(&mut Options)),
    Word(fn(&mut Options, String)),
    /// It changes each server.
    Set(fn(&mut Entry)),
    Change(fn(&mut Entry, &str)),
    /// It is passed over, with a word behind it or without.
    Over(bool),
}

const fn known(short: Option<char>, long: &'static [&'static str], does: Does) -> Known {
    Known { short, long, does }
}

const KNOWN: &[Known] = &[
    known(
        Some('?'),
        &["help"],
        Does::Flag(|it| it.asked = Asked::Help),
    ),
    known(
        Some('V'),
        &["version"],
        Does::Flag(|it| it.asked = Asked::Version),
    ),
    known(
        Some('c'),
        &["check"],
        Does::Flag(|it| it.asked = Asked::Check),
    ),
    known(
        Some('q'),
        &["quit"],
        Does::Flag(|it| it.asked = Asked::Quit),
    ),
    known(Some('s'), &["silent"], Does::Flag(|it| it.silent = true)),
    known(Some('v'), &["verbose"], Does::Flag(|it| it.verbose = true)),
    known(Some('N'), &["nodetach"], Does::Flag(|it| it.stays = true)),
    known(
        Some('d'),
        &["daemon"],
        Does::Word(|it, text| it.daemon_seconds = text.parse().ok()),
    ),
    known(
        Some('L'),
        &["logfile"],
        Does::Word(|it, text| it.log_file = Some(text)),
    ),
    known(
        Some('f'),
        &["fetchmailrc"],
        Does::Word(|it, text| it.file = Some(text)),
    ),
    known(
        None,
        &["pidfile"],
        Does::Word(|it, text| it.pid_file = Some(text)),
    ),
    known(Some('k'), &["keep"], Does::Set(|entry| entry.keep = true)),
    known(
        Some('K'),
        &["nokeep"],
        Does::Set(|entry| entry.keep = false),
    ),
    known(
        Some('a'),
        &["all", "fetchall"],
        Does::Set(|entry| entry.fetchall = true),
    ),
    known(Some('F'), &["flush"], Does::Set(|entry| entry.flush = true)),
    known(None, &["idle"], Does::Set(|entry| entry.idle = true)),
    known(None, &["ssl"], Does::Set(|entry| entry.ssl = true)),
    known(
        Some('l'),
        &["limit"],
        Does::Change(|entry, text| {
            entry.limit_octets = text.parse().ok().filter(|octets| *octets > 0);
        }),
    ),
    known(
        Some('B'),
        &["fetchlimit"],
        Does::Change(|entry, text| {
            entry.messages_max = text.parse().ok().filter(|count| *count > 0);
        }),
    ),
    known(
        Some('p'),
        &["proto", "protocol"],
        Does::Change(|entry, text| entry.protocol = Some(text.to_ascii_lowercase())),
    ),
    known(
        Some('u'),
        &["user", "username"],
        Does::Change(|entry, text| entry.user = Some(text.to_owned())),
    ),
    known(
        Some('P'),
        &["port", "service"],
        Does::Change(|entry, text| entry.port = Some(text.to_owned())),
    ),
    known(
        Some('r'),
        &["folder"],
        Does::Change(|entry, text| entry.folders = vec![text.to_owned()]),
    ),
    known(
        Some('E'),
        &["envelope"],
        Does::Change(|entry, text| entry.envelope = Some(text.to_owned())),
    ),
    known(
        None,
        &["fetchdomains"],
        Does::Change(|entry, text| entry.domains = text.split(',').map(str::to_owned).collect()),
    ),
    known(
        None,
        &["sslproto"],
        Does::Change(|entry, text| entry.sslproto = Some(text.to_owned())),
    ),
    known(
        None,
        &["sslcertfile"],
        Does::Change(|entry, text| entry.authorities = Some(text.to_owned())),
    ),
    known(
        None,
        &["sslfingerprint"],
        Does::Change(|entry, text| entry.fingerprint = Some(text.to_owned())),
    ),
    known(Some('U'), &["uidl"], Does::Over(false)),
    known(Some('n'), &["norewrite"], Does::Over(false)),
    known(Some('y'), &["yydebug"], Does::Over(false)),
    known(
        None,
        &[
            "nosoftbounce",
            "softbounce",
            "limitflush",
            "tracepolls",
            "sslcertck",
            "nosslcertck",
            "lmtp",
            "syslog",
            "nosyslog",
            "invisible",
            "showdots",
            "configdump",
        ],
        Does::Over(false),
    ),
    known(Some('i'), &["idfile"], Does::Over(true)),
    known(Some('t'), &["timeout"], Does::Over(true)),
    known(Some('Q'), &["qvirtual"], Does::Over(true)),
    known(Some('m'), &["mda"], Does::Over(true)),
    known(Some('S'), &["smtphost"], Does::Over(true)),
    known(Some('D'), &["smtpaddress"], Does::Over(true)),
    known(Some('b'), &["batchlimit"], Does::Over(true)),
    known(Some('e'), &["expunge"], Does::Over(true)),
    known(Some('w'), &["warnings"], Does::Over(true)),
    known(Some('Z'), &["antispam"], Does::Over(true)),
    known(Some('I'), &["interface"], Does::Over(true)),
    known(Some('M'), &["monitor"], Does::Over(true)),
    known(
        None,
        &[
            "principal",
            "plugin",
            "plugout",
            "sslcert",
            "sslkey",
            "sslcertpath",
            "sslcommonname",
            "fetchdomains",
            "smtpname",
            "bsmtp",
            "bad-header",
            "fetchsizelimit",
            "fastuidl",
            "auth",
            "postmaster",
        ],
        Does::Over(true),
    ),
];

impl Known {
    const fn wants_word(&self) -> bool {
        match self.does {
            Does::Flag(_) | Does::Set(_) => false,
            Does::Word(_) | Does::Change(_) => true,
            Does::Over(word) => word,
        }
    }
}

impl Options {
    /// Reads the words of a command line.
    ///
    /// # Errors
    /// Where an option is not known, or lacks its word.
    pub(super) fn parse(words: &[String]) -> Result<Self, Complaint> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                options.servers.extend(words.by_ref().cloned());
            } else if let Some(long) = word.strip_prefix("--") {
                let (name, value) = match long.split_once('=') {
                    Some((name, value)) => (name, Some(value.to_owned())),
                    None => (long, None),
                };
                let known = find_long(name)?;
                let value = match (known.wants_word(), value) {
                    (true, None) => Some(argument(word, words.next())?),
                    (_, value) => value,
                };
                options.take(known, word, value);
            } else if let Some(letters) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) {
                options.letters(letters, &mut words)?;
            } else {
                options.servers.push(word.clone());
            }
        }
        Ok(options)
    }

    /// `-kv`, `-d300`, `-d 300`.
    fn letters(
        &mut self,
        letters: &str,
        words: &mut std::slice::Iter<'_, String>,
    ) -> Result<(), Complaint> {
        for (at, letter) in letters.char_indices() {
            let name = format!("-{letter}");
            let known = KNOWN.iter().find(|known| known.short == Some(letter));
            let known = known.ok_or_else(|| unknown(&name))?;
            if !known.wants_word() {
                self.take(known, &name, None);
                continue;
            }
            let rest = letters.get(at + letter.len_utf8()..).unwrap_or_default();
            let value = match rest.is_empty() {
                true => argument(&name, words.next())?,
                false => rest.to_owned(),
            };
            self.take(known, &name, Some(value));
            return Ok(());
        }
        Ok(())
    }

    fn take(&mut self, known: &Known, name: &str, value: Option<String>) {
        let value = value.unwrap_or_default();
        match known.does {
            Does::Flag(set) => set(self),
            Does::Word(set) => set(self, value),
            Does::Set(_) | Does::Change(_) => {
                let Does::Change(set) = known.does else {
                    return self.change.extend(plain(known));
                };
                self.change.push(Change { set, value });
            }
            Does::Over(_) => self.passed_over.push(format!("{name} is not carried")),
        }
    }
}

/// The change of an option without a word.
fn plain(known: &Known) -> Option<Change> {
    let long = known.long.first()?;
    let set: fn(&mut Entry, &str) = |entry, long| {
        let found = KNOWN.iter().find(|known| known.long.contains(&long));
        if let Some(Known {
            does: Does::Set(set),
            ..
        }) = found
        {
            set(entry);
        }
    };
    Some(Change {
        set,
        value: (*long).to_owned(),
    })
}

/// An option by its name, or by the beginning of it where that is the only one.
fn find_long(name: &str) -> Result<&'static Known, Complaint> {
    let exact = KNOWN.iter().find(|known| known.long.contains(&name));
    let mut begin = KNOWN
        .iter()
        .filter(|known| known.long.iter().any(|long| long.starts_with(name)));
    let only = begin.next().filter(|_| begin.next().is_none());
    exact.or(only).ok_or_else(|| unknown(&format!("--{name}")))
}

fn unknown(name: &str) -> Complaint {
    Complaint::usage(format!("there is no option {name}")).next("fetchmail --help")
}

fn argument(name: &str, word: Option<&String>) -> Result<String, Complaint> {
    let missing = || Complaint::usage(format!("{name} wants a word behind it"));
    word.cloned().ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Options {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::parse(&words).unwrap()
    }

    #[test]
    fn options_are_read_as_getopt_reads_them() {
        let options = parse("-kvd300 --proto=pop3 -u ada --sslf AB -f - one --ssl two -- -three");
        assert!(options.verbose && !options.silent);
        assert_eq!(options.daemon_seconds, Some(300));
        assert_eq!(options.file.as_deref(), Some("-"));
        assert_eq!(options.servers, ["one", "two", "-three"]);
        let mut entry = Entry::default();
        options
            .change
            .iter()
            .for_each(|change| change.apply(&mut entry));
        let expected = Entry {
            keep: true,
            protocol: Some("pop3".into()),
            user: Some("ada".into()),
            fingerprint: Some("AB".into()),
            ssl: true,
            ..Entry::default()
        };
        assert_eq!(entry, expected);
    }

    #[test]
    fn the_last_word_counts_and_unknown_ones_are_told() {
        let mut entry = Entry::default();
        let options = parse("-k -K -m procmail -U");
        options
            .change
            .iter()
            .for_each(|change| change.apply(&mut entry));
        assert!(!entry.keep);
        assert_eq!(
            options.passed_over,
            ["-m is not carried", "-U is not carried"]
        );
        for wrong in [&["--wombat"][..], &["-G"], &["-d"], &["--s"]] {
            let words: Vec<String> = wrong.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(Options::parse(&words).unwrap_err().code, 2, "{wrong:?}");
        }
    }

    /// What the table of scripts uses.
    #[test]
    fn all_options_of_the_table_are_known() {
        for letter in "csvdNqLfikKaFlpuUPtEQmSDBberV".chars() {
            assert!(
                KNOWN.iter().any(|known| known.short == Some(letter)),
                "{letter}"
            );
        }
    }
}
