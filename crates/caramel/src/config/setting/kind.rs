//! What settings may be.

/// What a setting may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A domain name.
    Host,
    /// An address of mail.
    Mail,
    /// A path.
    Path,
    /// Octets.
    Size,
    /// A time span.
    Span,
    /// Where a server answers: an address, with a port if it is not the usual one.
    Server,
    /// A number from 1.
    Count,
    /// On or off.
    Switch,
    /// Where to listen.
    Endpoint,
    /// A name that somebody else has chosen: no spaces, quotes or backslashes.
    Name,
    /// Any text without control characters.
    Text,
    /// A URL with `https:`.
    Https,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Any number of these.
    Many(&'static Self),
    /// A network.
    Network,
    /// An address of the network.
    Ip,
    /// An address of mail, or all of a domain.
    Pattern,
    /// A host with its port, or a socket of this machine.
    Reach,
    /// A whole path with `{user}` in it.
    UserPath,
    /// A socket of this machine with `{user}` in its path.
    UserSocket,
}

impl Kind {
    /// What would be right, for a hint.
    pub(crate) fn expected(self) -> String {
        match self {
            Self::Host => "a domain name: \"mail.example.org\"".to_owned(),
            Self::Mail => "an address: \"ada@example.org\"".to_owned(),
            Self::Path => "a path: \"/var/lib/caramel\"".to_owned(),
            Self::Size => "octets, or a number with K, M or G: \"50M\"".to_owned(),
            Self::Span => "a number with s, m, h or d: \"10s\"".to_owned(),
            Self::Server => {
                "an address, with a port if it is not 53: \"192.0.2.53\", \"[::1]:5353\"".to_owned()
            }
            Self::Network => "a network: \"192.0.2.0/24\", \"2001:db8::/32\"".to_owned(),
            Self::Ip => "an address: \"192.0.2.1\", \"2001:db8::1\"".to_owned(),
            Self::Pattern => {
                "an address, or all of a domain: \"ada@example.org\", \"@example.org\"".to_owned()
            }
            Self::Many(one) => format!("a list in brackets, each of them {}", one.expected()),
            Self::Count => "a number from 1".to_owned(),
            Self::Switch => "true or false".to_owned(),
            Self::Endpoint => {
                "an address with a port, or a socket's path: \"0.0.0.0:25\", \"[::]:25\", \
                 \"unix:/run/caramel/lmtp\""
                    .to_owned()
            }
            Self::Name => {
                "visible ASCII without spaces, quotes and backslashes: \"mail\"".to_owned()
            }
            Self::Text => "a text on one line: \"pass show mail\"".to_owned(),
            Self::Https => "a URL: \"https://login.example.org/about\"".to_owned(),
            Self::Reach => "a host with its port, or a socket's path: \"smtp.example.org:587\", \
                 \"[::1]:25\", \"unix:/run/dovecot/lmtp\""
                .to_owned(),
            Self::UserPath => {
                "a whole path with {user} in it, once: \"/home/{user}/.forward\"".to_owned()
            }
            Self::UserSocket => {
                "a socket's path with {user} in it, once: \"unix:/run/caramel-forward/{user}/lmtp\""
                    .to_owned()
            }
            Self::Word(words) => {
                let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                format!("one of {}", quoted.join(", "))
            }
        }
    }
}
