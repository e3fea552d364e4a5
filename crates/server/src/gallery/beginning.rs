//! How a conversation began, for whoever plays its recording.

use crate::settings::Protocol;

/// How connections begin behind a door.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beginning {
    pub(crate) protocol: Protocol,
    /// True if they are encrypted from the first octet.
    pub(crate) tls: bool,
    /// True if passwords may come in the clear.
    pub(crate) clear: bool,
    /// True if TLS may be asked for.
    pub(crate) starttls: bool,
}

impl Beginning {
    /// Comments that tell the player of a recording which session it is of, in the words of each
    /// protocol's dialogues.
    pub(super) fn comments(self) -> String {
        let policy = |service: &str, dsn: &str| {
            let tls = if self.tls { " tls" } else { "" };
            let clear = if self.clear { " cleartext" } else { "" };
            format!("# policy: {service}{tls}{clear}{dsn}\n")
        };
        let words = match self.protocol {
            Protocol::Smtp => return policy("relay", " no-dsn"),
            Protocol::Submission => return policy("submission", ""),
            Protocol::Lmtp => return policy("lmtp", " no-dsn"),
            Protocol::Local => return policy("lmtp", " no-dsn verify"),
            Protocol::Control | Protocol::Metrics => "control",
            Protocol::Imap | Protocol::Pop3 | Protocol::ManageSieve if self.tls => "tls",
            Protocol::Imap | Protocol::Pop3 | Protocol::ManageSieve if self.clear => "clear",
            Protocol::Pop3 | Protocol::ManageSieve if !self.starttls => "no tls",
            Protocol::Imap | Protocol::Pop3 | Protocol::ManageSieve => "plain",
        };
        format!("# {words}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_has_its_words() {
        use Protocol::{Imap, Lmtp, Local, ManageSieve, Pop3, Smtp, Submission};
        for (protocol, [tls, clear, starttls], comments) in [
            (Imap, [true, false, false], "# tls\n"),
            (Imap, [false, true, true], "# clear\n"),
            (Imap, [false, false, true], "# plain\n"),
            (Pop3, [false, false, true], "# plain\n"),
            (Pop3, [false, false, false], "# no tls\n"),
            (ManageSieve, [false, false, true], "# plain\n"),
            (Smtp, [false, false, true], "# policy: relay no-dsn\n"),
            (
                Submission,
                [true, false, false],
                "# policy: submission tls\n",
            ),
            (
                Lmtp,
                [false, true, false],
                "# policy: lmtp cleartext no-dsn\n",
            ),
            (
                Local,
                [false, true, false],
                "# policy: lmtp cleartext no-dsn verify\n",
            ),
        ] {
            let beginning = Beginning {
                protocol,
                tls,
                clear,
                starttls,
            };
            assert_eq!(beginning.comments(), comments, "{beginning:?}");
        }
    }
}
