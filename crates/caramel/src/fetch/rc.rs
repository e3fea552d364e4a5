//! fetchmail's run control file, read: entries as they are meant, and what of them is not carried.
//!
//! As fetchmail 6.4's manual has it ("THE RUN CONTROL FILE"). Not here: what becomes of entries
//! (`import`, `fetchmail`).

mod token;
mod word;

use token::{Token, tokens};
use word::{Kind, WORDS};

/// A file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rc {
    pub(super) entries: Vec<Entry>,
    /// Seconds between two rounds, if it says so.
    pub(super) daemon_seconds: Option<u64>,
    pub(super) notes: Vec<Note>,
}

/// Something that is not carried, or not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) line: usize,
    pub(super) text: String,
}

/// A server, and one user there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) line: usize,
    /// False for `skip`.
    pub(super) polls: bool,
    pub(super) label: String,
    pub(super) via: Option<String>,
    pub(super) protocol: Option<String>,
    pub(super) port: Option<String>,
    /// Every so many rounds.
    pub(super) rounds: Option<u64>,
    pub(super) envelope: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    /// Who gets it here.
    pub(super) locals: Vec<String>,
    pub(super) ssl: bool,
    pub(super) sslproto: Option<String>,
    pub(super) authorities: Option<String>,
    pub(super) fingerprint: Option<String>,
    pub(super) folders: Vec<String>,
    pub(super) keep: bool,
    pub(super) fetchall: bool,
    pub(super) flush: bool,
    pub(super) idle: bool,
    pub(super) limit_octets: Option<u64>,
    pub(super) messages_max: Option<u64>,
    /// Domains whose mail is asked for (ETRN, ODMR).
    pub(super) domains: Vec<String>,
}

/// Reads a file.
///
/// # Errors
/// Says in which line something stands that cannot be.
pub(super) fn read(text: &str) -> Result<Rc, Note> {
    let mut reader = Reader {
        tokens: tokens(text)?,
        at: 0,
        rc: Rc::default(),
    };
    reader.file()?;
    Ok(reader.rc)
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
    rc: Rc,
}

impl Reader {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += usize::from(token.is_some());
        token
    }

    fn line(&self) -> usize {
        let last = self
            .tokens
            .get(self.at.min(self.tokens.len().saturating_sub(1)));
        last.map_or(1, |token| token.line)
    }

    fn wrong(&self, text: impl Into<String>) -> Note {
        Note {
            line: self.line(),
            text: text.into(),
        }
    }

    fn note(&mut self, line: usize, text: impl Into<String>) {
        let text = text.into();
        self.rc.notes.push(Note { line, text });
    }

    /// The next token, whatever it is.
    fn argument(&mut self, of: &str) -> Result<String, Note> {
        let missing = self.wrong(format!("something is missing behind `{of}`"));
        self.at += usize::from(self.peek().is_some_and(|token| token.word() == "="));
        self.next().map(|token| token.text).ok_or(missing)
    }

    fn number(&mut self, of: &str) -> Result<u64, Note> {
        let line = self.line();
        let text = self.argument(of)?;
        let wrong = Note {
            line,
            text: format!("`{of}` wants a number, not `{text}`"),
        };
        text.parse().map_err(|_| wrong)
    }

    /// Words up to the next keyword; `a=b` is one.
    fn list(&mut self) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        let mut joins = false;
        while let Some(token) = self.peek().filter(|token| !token.is_keyword()) {
            let is_equals = token.word() == "=";
            match words.last_mut().filter(|_| joins || is_equals) {
                Some(word) => word.push_str(&token.text),
                None => words.push(token.text.clone()),
            }
            joins = is_equals;
            self.at += 1;
        }
        words
    }

    fn file(&mut self) -> Result<(), Note> {
        let mut defaults = Entry::default();
        while let Some(token) = self.next() {
            match token.word() {
                "set" => self.set()?,
                "defaults" => {
                    let entries = self.entry(Entry::default())?;
                    defaults = entries.into_iter().next().unwrap_or_default();
                }
                verb @ ("poll" | "server" | "skip") => {
                    let entry = Entry {
                        line: token.line,
                        polls: verb != "skip",
                        label: self.argument(verb)?,
                        ..defaults.clone()
                    };
                    let entries = self.entry(entry)?;
                    self.rc.entries.extend(entries);
                }
                other => {
                    let text = format!("`{other}` is no `poll`, `skip`, `defaults` or `set`");
                    let line = token.line;
                    return Err(Note { line, text });
                }
            }
        }
        Ok(())
    }

    /// A global option.
    fn set(&mut self) -> Result<(), Note> {
        let line = self.line();
        let mut name = self.argument("set")?;
        if name == "daemon" {
            self.rc.daemon_seconds = Some(self.number("daemon")?);
            return Ok(());
        }
        let is_no = name == "no";
        if is_no {
            name = self.argument("no")?;
        }
        let has_value = matches!(
            name.as_str(),
            "postmaster" | "logfile" | "pidfile" | "idfile" | "properties"
        );
        if has_value && !is_no {
            self.argument(&name)?;
        }
        let why = match name.as_str() {
            "logfile" | "syslog" => "the server has one log (`[log]`)",
            "pidfile" => "the server has none",
            "idfile" => "what was fetched is known in the store, and begins anew",
            "postmaster" => "what names nobody goes to the source's account",
            "bouncemail" | "spambounce" | "softbounce" => "nothing fetched is bounced",
            "properties" | "invisible" | "showdots" => "it means nothing here",
            _ => "it is not known",
        };
        let no = if is_no { "no " } else { "" };
        self.note(line, format!("set {no}{name}: {why}"));
        Ok(())
    }

    /// A server's options and its users; each user is an entry.
    fn entry(&mut self, server: Entry) -> Result<Vec<Entry>, Note> {
        let mut server = server;
        let mut users: Vec<Entry> = Vec::new();
        while let Some(token) = self.peek().cloned() {
            if token.begins_entry() {
                break;
            }
            self.at += 1;
            match token.word() {
                "and" | "with" | "has" | "wants" | "options" | "here" | "there" => {}
                "user" | "username" => {
                    let name = self.argument("user")?;
                    // `user ada here` names who gets it.
                    let is_here = self.peek().is_some_and(|token| token.word() == "here");
                    match users.last_mut().filter(|_| is_here) {
                        Some(user) => user.locals.push(name),
                        None => users.push(Entry {
                            line: token.line,
                            user: Some(name),
                            ..server.clone()
                        }),
                    }
                }
                _ => {
                    let entry = users
                        .last_mut()
                        .map_or_else(|| std::mem::take(&mut server), std::mem::take);
                    let entry = self.option(&token, entry)?;
                    *users.last_mut().unwrap_or(&mut server) = entry;
                }
            }
        }
        match users.is_empty() {
            true => Ok(vec![server]),
            false => Ok(users),
        }
    }

    fn option(&mut self, token: &Token, mut entry: Entry) -> Result<Entry, Note> {
        let mut name = token.word().to_owned();
        let is_no = name == "no";
        if is_no {
            name = self.argument("no")?;
        }
        let Some(word) = WORDS
            .iter()
            .find(|word| word.names.contains(&name.as_str()))
        else {
            let text = format!("`{name}` is not known");
            let line = token.line;
            return Err(Note { line, text });
        };
        match word.kind {
            Kind::Switch(set) => set(&mut entry, !is_no),
            Kind::Text(set) if is_no => set(&mut entry, String::new()),
            Kind::Text(set) => {
                let text = self.argument(&name)?;
                // Some of the headers may be passed over first.
                let skips = name == "envelope" && text.bytes().all(|it| it.is_ascii_digit());
                match skips {
                    true => {
                        self.note(token.line, format!("envelope {text}: the first one counts"));
                        let text = self.argument(&name)?;
                        set(&mut entry, text);
                    }
                    false => set(&mut entry, text),
                }
            }
            Kind::Number(set) => {
                let number = self.number(&name)?;
                set(&mut entry, number);
            }
            Kind::List(set) => {
                let list = self.list();
                set(&mut entry, list);
            }
            Kind::Dropped(arguments, why) => {
                self.drop_words(&name, if is_no { 0 } else { arguments })?;
                let no = if is_no { "no " } else { "" };
                self.note(token.line, format!("{no}{name}: {why}"));
            }
        }
        Ok(entry)
    }

    /// Passes over what belongs to a keyword.
    fn drop_words(&mut self, name: &str, count: usize) -> Result<(), Note> {
        match count {
            usize::MAX => drop(self.list()),
            count => {
                for _ in 0..count {
                    self.argument(name)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADAS: &str = r#"
# Ada's mail
set daemon 300
set logfile /var/log/fetchmail.log
defaults proto pop3, keep
poll pop.example.net with options uidl interval 4:
    user 'ada' there with password "with \"quotes\"" is ada here and wants ssl
        fetchlimit 20 limit 100000 mda "/usr/bin/procmail -d %T"
    user "bob" there is bob@example.org here no keep; fetchall
skip work via imap.example.org proto imap service 1143
    user ada.l password secret sslproto '' folder INBOX, "Sent Items" idle
"#;

    #[test]
    fn a_file_is_read_as_fetchmail_means_it() {
        let rc = read(ADAS).unwrap();
        assert_eq!(rc.daemon_seconds, Some(300));
        let base = Entry {
            protocol: Some("pop3".into()),
            keep: true,
            ..Entry::default()
        };
        let pop = Entry {
            polls: true,
            label: "pop.example.net".into(),
            rounds: Some(4),
            ..base.clone()
        };
        let expected = [
            Entry {
                line: 7,
                user: Some("ada".into()),
                password: Some("with \"quotes\"".into()),
                locals: vec!["ada".into()],
                ssl: true,
                messages_max: Some(20),
                limit_octets: Some(100_000),
                ..pop.clone()
            },
            Entry {
                line: 9,
                user: Some("bob".into()),
                locals: vec!["bob@example.org".into()],
                keep: false,
                fetchall: true,
                ..pop
            },
            Entry {
                line: 11,
                label: "work".into(),
                via: Some("imap.example.org".into()),
                protocol: Some("imap".into()),
                port: Some("1143".into()),
                user: Some("ada.l".into()),
                password: Some("secret".into()),
                sslproto: Some(String::new()),
                folders: vec!["INBOX".into(), "Sent Items".into()],
                idle: true,
                ..base
            },
        ];
        assert_eq!(rc.entries, expected);
        let notes: Vec<String> = rc
            .notes
            .iter()
            .map(|note| format!("{} {}", note.line, note.text))
            .collect();
        assert_eq!(notes.len(), 3, "{notes:?}");
        assert!(notes[0].starts_with("4 set logfile"), "{notes:?}");
        assert!(notes[1].starts_with("6 uidl"), "{notes:?}");
        assert!(notes[2].starts_with("8 mda"), "{notes:?}");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line, what) in [
            ("poll", 1, "something is missing"),
            ("poll x\n proto", 2, "something is missing"),
            ("poll x\nuser ada\n  wombat", 3, "`wombat` is not known"),
            ("hello", 1, "`hello` is no `poll`"),
            ("poll x user ada limit much", 1, "`limit` wants a number"),
            ("poll x user \"ada", 1, "never ends"),
        ] {
            let note = read(text).unwrap_err();
            assert_eq!(note.line, line, "{text}: {note:?}");
            assert!(note.text.contains(what), "{text}: {note:?}");
        }
    }

    #[test]
    fn every_keyword_of_the_manual_is_known() {
        const MANUAL: &str = "via proto protocol local localdomains port service auth authenticate \
            timeout envelope qvirtual aka interface monitor plugin plugout dns checkalias uidl \
            interval tracepolls principal esmtpname esmtppassword bad-header is to pass password \
            ssl sslcert sslcertck sslcertfile sslcertpath sslcommonname sslfingerprint sslkey \
            sslproto folder folders smtp smtphost fetchdomains smtpaddress smtpname antispam mda \
            bsmtp preconnect postconnect keep flush limitflush fetchall rewrite stripcr forcecr \
            pass8bits dropstatus dropdelivered mimedecode idle limit warnings batchlimit \
            fetchlimit fetchsizelimit fastuidl expunge properties lmtp";
        for name in MANUAL.split_whitespace() {
            let known = WORDS.iter().any(|word| word.names.contains(&name));
            assert!(known, "{name}");
        }
    }
}
