//! The options of `send`, `msmtp` and `ssmtp`: msmtp's, and those of sendmail that it takes.
//!
//! Not here: what they do.

use super::Dialect;
use crate::complaint::Complaint;
use crate::sysexits;

/// All that was said.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) asked: Asked,
    /// The configuration file.
    pub(super) file: Option<String>,
    pub(super) account: Option<String>,
    pub(super) host: Option<String>,
    /// Settings of the account, by their names in `msmtprc`.
    pub(super) settings: Vec<(String, String)>,
    pub(super) from: Option<String>,
    pub(super) full_name: Option<String>,
    pub(super) reads_recipients: bool,
    pub(super) reads_sender: bool,
    /// A line with a dot alone does not end the letter.
    pub(super) dots_are_lines: bool,
    pub(super) verbose: bool,
    pub(super) recipients: Vec<String>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Asked {
    #[default]
    Send,
    Help,
    Version,
    /// Says what would be used.
    Pretend,
    /// Looks at the host.
    ServerInfo,
}

/// Long options with a value that may stand behind `=` alone.
const OPTIONAL: &[&str] = &[
    "auth",
    "tls",
    "tls-starttls",
    "tls-certcheck",
    "set-from-header",
    "set-date-header",
    "set-msgid-header",
    "remove-bcc-headers",
    "undisclosed-recipients",
    "syslog",
    "auto-from",
    "add-missing-from-header",
    "add-missing-date-header",
];

/// Long options whose value is a setting.
const SETTINGS: &[&str] = &[
    "port",
    "source-ip",
    "proxy-host",
    "proxy-port",
    "socket",
    "timeout",
    "protocol",
    "domain",
    "user",
    "passwordeval",
    "tls-trust-file",
    "tls-crl-file",
    "tls-fingerprint",
    "tls-key-file",
    "tls-cert-file",
    "tls-priorities",
    "tls-host-override",
    "tls-min-dh-prime-bits",
    "dsn-notify",
    "dsn-return",
    "logfile",
    "logfile-time-format",
    "aliases",
    "maildomain",
];

impl Options {
    /// Reads words.
    pub(super) fn read(dialect: Dialect, words: &[String]) -> Result<Self, Complaint> {
        let mut options = Self::default();
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            if word == "--" {
                options.recipients.extend(rest.cloned());
                break;
            }
            if let Some(long) = word.strip_prefix("--") {
                options.long(long, &mut rest)?;
            } else if let Some(short) = word.strip_prefix('-').filter(|it| !it.is_empty()) {
                options.short(dialect, short, &mut rest)?;
            } else {
                options.recipients.push(word.clone());
            }
        }
        if options.account.is_some() && options.host.is_some() {
            return Err(wrong("either --account or --host"));
        }
        Ok(options)
    }

    fn setting(&mut self, name: &str, value: impl Into<String>) {
        self.settings.push((name.replace('-', "_"), value.into()));
    }

    fn long<'a>(
        &mut self,
        word: &str,
        rest: &mut impl Iterator<Item = &'a String>,
    ) -> Result<(), Complaint> {
        let (name, given) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word, None),
        };
        if OPTIONAL.contains(&name) {
            self.setting(name, given.unwrap_or_default());
            return Ok(());
        }
        let mut value = || {
            let value = given.clone().or_else(|| rest.next().cloned());
            value.ok_or_else(|| wrong(&format!("--{name} wants a value")))
        };
        if SETTINGS.contains(&name) {
            let value = value()?;
            self.setting(name, value);
            return Ok(());
        }
        match name {
            "help" => self.asked = Asked::Help,
            "version" => self.asked = Asked::Version,
            "pretend" => self.asked = Asked::Pretend,
            "serverinfo" => self.asked = Asked::ServerInfo,
            "debug" => self.verbose = true,
            "file" => self.file = Some(value()?),
            "account" => self.account = Some(value()?),
            "host" => self.host = Some(value()?),
            "from" => self.from = Some(value()?),
            "read-recipients" => self.reads_recipients = true,
            "read-envelope-from" => self.reads_sender = true,
            "rmqs" | "configure" => {
                return Err(wrong(&format!("--{name} is not known here")));
            }
            _ => return Err(wrong(&format!("--{name} is not known"))),
        }
        Ok(())
    }

    /// One letter after the other; one that wants a value takes the rest of the word, or the next.
    fn short<'a>(
        &mut self,
        dialect: Dialect,
        word: &str,
        rest: &mut impl Iterator<Item = &'a String>,
    ) -> Result<(), Complaint> {
        for (at, letter) in word.char_indices() {
            let attached = word.get(at + letter.len_utf8()..).unwrap_or_default();
            let mut value = || match attached {
                "" => {
                    let next = rest.next().cloned();
                    next.ok_or_else(|| wrong(&format!("-{letter} wants a value")))
                }
                attached => Ok(attached.to_owned()),
            };
            match letter {
                'a' if dialect == Dialect::Ssmtp => {
                    self.ssmtp_login(attached)?;
                    return Ok(());
                }
                'a' => self.account = Some(value()?),
                'C' => self.file = Some(value()?),
                'f' | 'r' => self.from = Some(value()?),
                'F' => self.full_name = Some(value()?),
                'N' => self.setting("dsn_notify", value()?),
                'R' => self.setting("dsn_return", value()?),
                'X' => self.setting("logfile", value()?),
                'b' if attached != "m" => {
                    let what = format!("-b{attached} is not for a program without a queue");
                    return Err(wrong(&what));
                }
                // Of sendmail, and without effect.
                'b' => {}
                'o' => {
                    self.dots_are_lines |= attached.starts_with('i');
                    drop(value()?);
                }
                'B' | 'h' | 'L' | 'O' => drop(value()?),
                _ => {
                    self.flag(letter)?;
                    continue;
                }
            }
            return Ok(());
        }
        Ok(())
    }

    /// A letter without a value.
    fn flag(&mut self, letter: char) -> Result<(), Complaint> {
        match letter {
            't' => self.reads_recipients = true,
            'i' => self.dots_are_lines = true,
            'v' | 'd' => self.verbose = true,
            'P' => self.asked = Asked::Pretend,
            'S' => self.asked = Asked::ServerInfo,
            'V' => self.asked = Asked::Version,
            // Of sendmail, and without effect.
            'G' | 'm' | 'n' | 'U' | 'E' | 's' | '4' | '6' => {}
            _ => return Err(wrong(&format!("-{letter} is not known"))),
        }
        Ok(())
    }

    /// `-auNAME`, `-apPASSWORD`, `-amMECHANISM`.
    fn ssmtp_login(&mut self, word: &str) -> Result<(), Complaint> {
        let (what, value) = word.split_at_checked(1).unwrap_or_default();
        match what {
            "u" => {
                self.setting("user", value);
                self.setting("auth", "on");
            }
            "p" => self.setting("password", value),
            // The strongest that is offered is taken in any case.
            "m" => {}
            _ => return Err(wrong(&format!("-a{word} is not known"))),
        }
        Ok(())
    }
}

fn wrong(what: &str) -> Complaint {
    let next = "caramel send --help tells what there is";
    Complaint::new(what).next(next).coded(sysexits::USAGE)
}

/// What `--help` says.
pub(super) const HELP: &str = "\
Usage: caramel send [options] [recipient ...]
       msmtp, ssmtp: the same

Reads a message from standard input and hands it to a mail host: exit code 0 says that
the host has taken it. There is no server and no queue: what is not taken has to be
tried again by whoever calls.

  -t, --read-recipients    recipients are in To, Cc and Bcc as well
  -f, --from ADDRESS       who hears of failures
      --read-envelope-from that is who From names
  -F NAME                  the name in From, where the message has none
  -i                       a line with a dot does not end the message
  -N, --dsn-notify WORDS   what is reported: never, or of success, failure, delay
  -R, --dsn-return full|hdrs  how much of the message a report returns

  -C, --file FILE          the configuration: an msmtprc, or an ssmtp.conf; else
                           ~/.msmtprc, ~/.config/msmtp/config and /etc/msmtprc, or
                           /etc/ssmtp/ssmtp.conf (called ssmtp: that one only)
  -a, --account NAME       the account there; else that of --from, or `default`
      --host HOST          no configuration but the options
      --port --protocol smtp|lmtp --domain --timeout
      --tls[=on|off] --tls-starttls[=on|off] --tls-trust-file FILE
      --tls-fingerprint SHA256 --tls-certcheck[=on|off] --tls-host-override
      --auth[=on|off|NAME] --user NAME --passwordeval COMMAND
      --aliases FILE -X, --logfile FILE
      --set-from-header[=auto|on|off] --set-date-header[=auto|off]
      --set-msgid-header[=auto|off] --remove-bcc-headers[=on|off]
      --undisclosed-recipients[=on|off] --maildomain

  -P, --pretend            says what would be used
  -S, --serverinfo         says what the host offers
  -v                       says what is done

Called ssmtp: -auNAME -apPASSWORD. Taken and left: -B -bm -G -h -L -m -n -O -o -U -4 -6.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(dialect: Dialect, words: &[&str]) -> Result<Options, Complaint> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        Options::read(dialect, &words)
    }

    #[test]
    fn words_are_taken_however_they_are_written() {
        let words = [
            "-ti",
            "-fada@a.example",
            "-F",
            "Ada L",
            "--host=h.example",
            "--port",
            "25",
            "--tls",
            "--auth=plain",
            "-oem",
            "-bm",
            "bob@b.example",
            "--",
            "-x@c.example",
        ];
        let options = read(Dialect::Msmtp, &words).unwrap();
        assert!(options.reads_recipients && options.dots_are_lines);
        assert_eq!(options.from.as_deref(), Some("ada@a.example"));
        assert_eq!(options.full_name.as_deref(), Some("Ada L"));
        assert_eq!(options.recipients, ["bob@b.example", "-x@c.example"]);
        let settings: Vec<String> = options
            .settings
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        assert_eq!(settings, ["port=25", "tls=", "auth=plain"]);
        let options = read(Dialect::Ssmtp, &["-auada", "-apx", "bob"]).unwrap();
        assert_eq!(options.settings[0], ("user".into(), "ada".into()));
        assert_eq!(options.settings[2], ("password".into(), "x".into()));
        let options = read(Dialect::Msmtp, &["-a", "work", "-P"]).unwrap();
        assert_eq!(
            (options.account.as_deref(), options.asked),
            (Some("work"), Asked::Pretend)
        );
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for (words, what) in [
            (&["--wombat"][..], "--wombat is not known"),
            (&["-w"], "-w is not known"),
            (&["-f"], "-f wants a value"),
            (&["-bs"], "-bs is not for a program without a queue"),
            (&["-a", "x", "--host=y"], "either --account or --host"),
        ] {
            let complaint = read(Dialect::Msmtp, words).unwrap_err();
            assert_eq!(complaint.code, sysexits::USAGE);
            assert!(complaint.to_string().contains(what), "{complaint}");
        }
    }
}
