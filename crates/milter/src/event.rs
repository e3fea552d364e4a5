//! What a filter is told.

use std::net::{IpAddr, SocketAddr};

use crate::packet::{packet, step};

/// Who has called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name, or its address in brackets where it has none.
    pub name: String,
    /// Its address; none for a connection inside this machine.
    pub address: Option<SocketAddr>,
}

/// What happens in a conversation of SMTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Somebody has called.
    Connect(&'a Peer),
    /// What it calls itself.
    Helo(&'a str),
    /// MAIL: the path in its brackets, and the words behind it.
    Sender(&'a str, &'a [String]),
    /// RCPT: the same.
    Recipient(&'a str, &'a [String]),
    /// The letter is about to come.
    Data,
    /// A field of its header: its name and its value, lines within it ended by LF.
    Field(&'a [u8], &'a [u8]),
    /// The header is over.
    EndOfHeader,
    /// A piece of the body, at most [`Event::BODY_OCTETS_MAX`].
    Body(&'a [u8]),
    /// The letter is over: now it may be changed.
    End,
}

/// The stages at which a filter may ask for macros, by their numbers (`SMFIM_`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// At a connection.
    Connect,
    /// At HELO.
    Helo,
    /// At MAIL.
    Sender,
    /// At RCPT.
    Recipient,
    /// At DATA.
    Data,
    /// At a letter's end.
    End,
    /// At the end of its header.
    EndOfHeader,
}

impl Stage {
    /// The stage with this number.
    pub(crate) const fn of(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Connect,
            1 => Self::Helo,
            2 => Self::Sender,
            3 => Self::Recipient,
            4 => Self::Data,
            5 => Self::End,
            6 => Self::EndOfHeader,
            _ => return None,
        })
    }
}

impl Event<'_> {
    /// Octets of a body in one event.
    pub const BODY_OCTETS_MAX: usize = 65_535;

    /// The letter that stands for it.
    pub(crate) const fn kind(&self) -> u8 {
        match self {
            Self::Connect(_) => b'C',
            Self::Helo(_) => b'H',
            Self::Sender(..) => b'M',
            Self::Recipient(..) => b'R',
            Self::Data => b'T',
            Self::Field(..) => b'L',
            Self::EndOfHeader => b'N',
            Self::Body(_) => b'B',
            Self::End => b'E',
        }
    }

    /// The stage at which macros are told with it.
    pub(crate) const fn stage(&self) -> Option<Stage> {
        Some(match self {
            Self::Connect(_) => Stage::Connect,
            Self::Helo(_) => Stage::Helo,
            Self::Sender(..) => Stage::Sender,
            Self::Recipient(..) => Stage::Recipient,
            Self::Data => Stage::Data,
            Self::EndOfHeader => Stage::EndOfHeader,
            Self::End => Stage::End,
            Self::Field(..) | Self::Body(_) => return None,
        })
    }

    /// The steps by which a filter does not want it, and does not answer it.
    pub(crate) const fn steps(&self) -> (u32, u32) {
        match self {
            Self::Connect(_) => (step::NO_CONNECT, step::CONNECT_NOT_ANSWERED),
            Self::Helo(_) => (step::NO_HELO, step::HELO_NOT_ANSWERED),
            Self::Sender(..) => (step::NO_SENDER, step::SENDER_NOT_ANSWERED),
            Self::Recipient(..) => (step::NO_RECIPIENT, step::RECIPIENT_NOT_ANSWERED),
            Self::Data => (step::NO_DATA, step::DATA_NOT_ANSWERED),
            Self::Field(..) => (step::NO_FIELDS, step::FIELD_NOT_ANSWERED),
            Self::EndOfHeader => (step::NO_END_OF_HEADER, step::END_OF_HEADER_NOT_ANSWERED),
            Self::Body(_) => (step::NO_BODY, step::BODY_NOT_ANSWERED),
            // Always wanted, and always answered.
            Self::End => (0, 0),
        }
    }

    /// The packet; values keep the space before them only where that was agreed on.
    pub(crate) fn packet(&self, leading_space: bool) -> Vec<u8> {
        match self {
            Self::Connect(peer) => peer.packet(),
            Self::Helo(name) => packet(b'H', &[&text(name)]),
            Self::Sender(path, words) | Self::Recipient(path, words) => {
                let mut all = text(path);
                for word in *words {
                    all.extend(text(word));
                }
                packet(self.kind(), &[&all])
            }
            Self::Data | Self::EndOfHeader | Self::End => packet(self.kind(), &[]),
            Self::Field(name, value) => {
                let value = match leading_space {
                    true => value,
                    false => value.strip_prefix(b" ").unwrap_or(value),
                };
                let (name, value) = (without_nul(name), without_nul(value));
                packet(b'L', &[&name, &[0], &value, &[0]])
            }
            Self::Body(octets) => packet(b'B', &[octets]),
        }
    }
}

impl Peer {
    fn packet(&self) -> Vec<u8> {
        let name = text(&self.name);
        match self.address {
            None => packet(b'C', &[&name, b"U"]),
            Some(address) => {
                let (family, ip) = match address.ip().to_canonical() {
                    IpAddr::V4(ip) => (b'4', ip.to_string()),
                    IpAddr::V6(ip) => (b'6', format!("IPv6:{ip}")),
                };
                let port = address.port().to_be_bytes();
                packet(b'C', &[&name, &[family], &port, &text(&ip)])
            }
        }
    }
}

/// A text with the octet that ends it, and no other such.
pub(crate) fn text(text: &str) -> Vec<u8> {
    let mut octets = without_nul(text.as_bytes());
    octets.push(0);
    octets
}

fn without_nul(octets: &[u8]) -> Vec<u8> {
    octets.iter().copied().filter(|octet| *octet != 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_as_they_are_told() {
        let peer = |address: Option<&str>| Peer {
            name: "a.example".into(),
            address: address.map(|address| address.parse().unwrap()),
        };
        let (four, six) = (peer(Some("192.0.2.1:4660")), peer(Some("[2001:db8::1]:25")));
        let mapped = peer(Some("[::ffff:192.0.2.1]:4660"));
        let words = ["SIZE=7".to_owned(), "BODY=8BITMIME".to_owned()];
        for (event, expected) in [
            (
                Event::Connect(&four),
                &b"Ca.example\x004\x12\x34192.0.2.1\0"[..],
            ),
            (
                Event::Connect(&mapped),
                b"Ca.example\x004\x12\x34192.0.2.1\0",
            ),
            (
                Event::Connect(&six),
                b"Ca.example\x006\0\x19IPv6:2001:db8::1\0",
            ),
            (Event::Connect(&peer(None)), b"Ca.example\0U"),
            (Event::Helo("x\0y"), b"Hxy\0"),
            (Event::Sender("<>", &words), b"M<>\0SIZE=7\0BODY=8BITMIME\0"),
            (Event::Recipient("<a@b>", &[]), b"R<a@b>\0"),
            (Event::Data, b"T"),
            (
                Event::Field(b"Subject", b" Tea\n at five"),
                b"LSubject\0Tea\n at five\0",
            ),
            (Event::Field(b"X", b"  two"), b"LX\0 two\0"),
            (Event::EndOfHeader, b"N"),
            (Event::Body(b"x\0\r\n"), b"Bx\0\r\n"),
            (Event::End, b"E"),
        ] {
            let packet = event.packet(false);
            let (head, rest) = packet.split_first_chunk::<4>().unwrap();
            assert_eq!(rest, expected, "{event:?}");
            assert_eq!(u32::from_be_bytes(*head) as usize, rest.len());
        }
        let field = Event::Field(b"X", b"  two").packet(true);
        assert!(field.ends_with(b"LX\0  two\0"));
    }
}
