//! The names by which this program is called, beside its own: each is a command.

use std::ffi::OsString;
use std::path::Path;

use clap::builder::PossibleValuesParser;

use crate::complaint::Complaint;
use crate::deliver::{self, Dialect};
use crate::place::Place;
use crate::send;
use crate::sendmail::{self, Name, Words};
use crate::sysexits;

/// What a name is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Called {
    /// It hands mail in.
    Sendmail(Name),
    /// It delivers mail.
    Deliver(Dialect),
    /// It hands mail to another host.
    Send(send::Dialect),
}

/// All names.
pub(crate) const ALL: &[(&str, Called)] = &[
    ("sendmail", Called::Sendmail(Name::Sendmail)),
    ("mailq", Called::Sendmail(Name::Mailq)),
    ("newaliases", Called::Sendmail(Name::Newaliases)),
    ("deliver", Called::Deliver(Dialect::Deliver)),
    ("procmail", Called::Deliver(Dialect::Procmail)),
    ("maildrop", Called::Deliver(Dialect::Maildrop)),
    ("msmtp", Called::Send(send::Dialect::Msmtp)),
    ("ssmtp", Called::Send(send::Dialect::Ssmtp)),
];

impl Called {
    /// Which command the program's name is, if it is one.
    pub(crate) fn of(program: Option<OsString>) -> Option<Self> {
        let program = program?;
        let name = Path::new(&program).file_name()?.to_str()?;
        let found = ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, called)| *called)
    }

    /// Does what it is called for.
    pub(crate) fn run(self, words: &Words, place: Place) -> Result<(), Complaint> {
        let done = match self {
            Self::Sendmail(name) => sendmail::run(name, words, place),
            Self::Deliver(dialect) => deliver::run(dialect, words, place),
            Self::Send(dialect) => send::run(dialect, words),
        };
        done.map_err(sysexits::translated)
    }
}

/// The names, where one is asked for.
pub(crate) fn known() -> PossibleValuesParser {
    ALL.iter().map(|(name, _)| *name).collect::<Vec<_>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_of_a_path_is_the_name() {
        let of = |path: &str| Called::of(Some(path.into()));
        assert_eq!(
            of("/usr/lib/sendmail"),
            Some(Called::Sendmail(Name::Sendmail))
        );
        assert_eq!(of("maildrop"), Some(Called::Deliver(Dialect::Maildrop)));
        assert_eq!(
            of("/usr/bin/msmtp"),
            Some(Called::Send(send::Dialect::Msmtp))
        );
        assert_eq!((of("/usr/bin/caramel"), of("sendmail.old")), (None, None));
        assert_eq!(Called::of(None), None);
    }
}
