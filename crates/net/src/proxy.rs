//! What a proxy in front of a door says of a connection before its first octet: where it really
//! comes from (the PROXY protocol of HAProxy, versions 1 and 2).
//!
//! Read to its last octet and not one further: what follows is the conversation's. Not here: whose
//! word is taken (`listen`).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::timeout;

/// How long a proxy may take to say it.
const PATIENCE: Duration = Duration::from_secs(5);
/// Octets of a line of version 1, its end included.
const LINE_OCTETS_MAX: usize = 107;
/// Octets behind the head of version 2: addresses, and what else the proxy knows.
const BODY_OCTETS_MAX: usize = 2048;
/// What version 2 begins with; no line of any protocol does.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// What version 1 begins with.
const WORD: &[u8] = b"PROXY ";

/// What a proxy has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// It calls for itself, to see whether somebody answers, or does not know for whom.
    Nothing,
    /// It calls for somebody.
    Addresses {
        /// Where the connection comes from.
        source: SocketAddr,
        /// Where it went.
        destination: SocketAddr,
    },
}

/// Reads what a proxy says first.
///
/// # Errors
/// Where it says nothing in time, or something else.
pub(crate) async fn read<R: AsyncRead + Unpin>(reader: &mut R) -> io::Result<Said> {
    timeout(PATIENCE, read_whole(reader))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn read_whole<R: AsyncRead + Unpin>(reader: &mut R) -> io::Result<Said> {
    // No header of either version is shorter.
    let mut head = [0; SIGNATURE.len()];
    reader.read_exact(&mut head).await?;
    if head == *SIGNATURE {
        let mut rest = [0; 4];
        reader.read_exact(&mut rest).await?;
        let [command, family, high, low] = rest;
        let len = usize::from(u16::from_be_bytes([high, low]));
        if len > BODY_OCTETS_MAX {
            return Err(wrong("a header that is too long"));
        }
        let mut body = vec![0; len];
        reader.read_exact(&mut body).await?;
        return binary(command, family, &body).ok_or_else(|| wrong("a header of another kind"));
    }
    if !head.starts_with(WORD) {
        return Err(wrong("no header of a proxy"));
    }
    let mut line = head.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() >= LINE_OCTETS_MAX {
            return Err(wrong("a line that is too long"));
        }
        line.push(reader.read_u8().await?);
    }
    text(&line).ok_or_else(|| wrong("a line that is none of a proxy"))
}

fn wrong(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// A line of version 1, with its end.
fn text(line: &[u8]) -> Option<Said> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix("\r\n")?;
    let mut words = line.split(' ');
    if words.next() != Some("PROXY") {
        return None;
    }
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(Said::Nothing);
    }
    let words: Vec<&str> = words.collect();
    let [source, destination, source_port, destination_port] = words.try_into().ok()?;
    let ip = |text: &str| match family {
        "TCP4" => Ipv4Addr::from_str(text).ok().map(IpAddr::V4),
        "TCP6" => Ipv6Addr::from_str(text).ok().map(IpAddr::V6),
        _ => None,
    };
    let port = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
        digits.then(|| text.parse::<u16>().ok())?
    };
    Some(Said::Addresses {
        source: SocketAddr::new(ip(source)?, port(source_port)?),
        destination: SocketAddr::new(ip(destination)?, port(destination_port)?),
    })
}

/// A header of version 2 behind its signature. What stands behind the addresses is not looked at.
fn binary(command: u8, family: u8, body: &[u8]) -> Option<Said> {
    match command {
        0x20 => return Some(Said::Nothing),
        0x21 => {}
        _ => return None,
    }
    let (source, destination, ports) = match family {
        0x00 => return Some(Said::Nothing),
        0x11 => {
            let (source, rest) = body.split_first_chunk::<4>()?;
            let (destination, rest) = rest.split_first_chunk::<4>()?;
            (IpAddr::from(*source), IpAddr::from(*destination), rest)
        }
        0x21 => {
            let (source, rest) = body.split_first_chunk::<16>()?;
            let (destination, rest) = rest.split_first_chunk::<16>()?;
            (IpAddr::from(*source), IpAddr::from(*destination), rest)
        }
        _ => return None,
    };
    let (source_port, rest) = ports.split_first_chunk::<2>()?;
    let (destination_port, _) = rest.split_first_chunk::<2>()?;
    Some(Said::Addresses {
        source: SocketAddr::new(source, u16::from_be_bytes(*source_port)),
        destination: SocketAddr::new(destination, u16::from_be_bytes(*destination_port)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(source: &str, destination: &str) -> Said {
        Said::Addresses {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
        }
    }

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let len = u16::try_from(body.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family][..], &len, body].concat()
    }

    /// What is read of some octets, and how many of them are left.
    async fn heard(octets: &[u8]) -> (Option<Said>, usize) {
        let mut left = octets;
        let said = read(&mut left).await.ok();
        (said, left.len())
    }

    #[tokio::test]
    async fn headers_of_both_versions() {
        let four = [&[192, 0, 2, 1, 198, 51, 100, 2][..], &[0xdc, 4, 0, 25]].concat();
        let six = [
            "2001:db8::1".parse::<Ipv6Addr>().unwrap().octets(),
            "2001:db8::2".parse::<Ipv6Addr>().unwrap().octets(),
        ]
        .concat();
        let six = [&six[..], &[0xdc, 4, 0, 25]].concat();
        let with_more = [&four[..], &[4, 0, 1, 0], &[0; 100]].concat();
        let in_four = addresses("192.0.2.1:56324", "198.51.100.2:25");
        let in_six = addresses("[2001:db8::1]:56324", "[2001:db8::2]:25");
        let line = |text: &str| text.as_bytes().to_vec();
        for (octets, expected) in [
            (
                line("PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\n"),
                in_four,
            ),
            (
                line("PROXY TCP6 2001:db8::1 2001:db8::2 56324 25\r\n"),
                in_six,
            ),
            (line("PROXY UNKNOWN\r\n"), Said::Nothing),
            (
                line("PROXY UNKNOWN ffff:f::1 ffff:f::2 65535 65535\r\n"),
                Said::Nothing,
            ),
            (v2(0x21, 0x11, &four), in_four),
            (v2(0x21, 0x21, &six), in_six),
            (v2(0x21, 0x11, &with_more), in_four),
            (v2(0x20, 0x00, &[]), Said::Nothing),
            (v2(0x20, 0x11, &four), Said::Nothing),
            (v2(0x21, 0x00, &[1, 2, 3]), Said::Nothing),
        ] {
            let whole = [&octets[..], b"EHLO x\r\n"].concat();
            // What follows is left to be read.
            assert_eq!(heard(&whole).await, (Some(expected), 8), "{octets:?}");
            for cut in 0..octets.len() {
                let (said, _) = heard(&octets[..cut]).await;
                assert_eq!(said, None, "{octets:?} {cut}");
            }
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        let four = [192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 4, 0, 25];
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(200));
        let line = |text: &str| text.as_bytes().to_vec();
        for octets in [
            line("EHLO client.example\r\n"),
            line("PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n"),
            line("PROXY TCP4 192.0.2.1 198.51.100.2 56324 65536\r\n"),
            line("PROXY TCP4 192.0.2.1 198.51.100.2 56324 +25\r\n"),
            line("PROXY TCP4  192.0.2.1 198.51.100.2 56324 25\r\n"),
            line("PROXY TCP4 2001:db8::1 2001:db8::2 56324 25\r\n"),
            line("PROXY TCP6 192.0.2.1 198.51.100.2 56324 25\r\n"),
            line("PROXY UDP4 192.0.2.1 198.51.100.2 56324 25\r\n"),
            line("PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\n\r\n"),
            long.into_bytes(),
            v2(0x11, 0x11, &four),
            v2(0x22, 0x11, &four),
            v2(0x21, 0x12, &four),
            v2(0x21, 0x31, &[0; 216]),
            v2(0x21, 0x11, &four[..11]),
            v2(0x21, 0x21, &four),
            v2(0x21, 0x11, &[0; BODY_OCTETS_MAX + 1]),
        ] {
            assert_eq!(heard(&octets).await.0, None, "{octets:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_proxy_that_says_nothing_is_not_waited_for_long() {
        let (mut ours, _theirs) = tokio::io::duplex(64);
        let error = read(&mut ours).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
