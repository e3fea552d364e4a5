//! A network: an address, and how many of its bits count.

use std::fmt;
use std::net::IpAddr;

/// A network (RFC 4632 §3.1, RFC 4291 §2.3): `192.0.2.0/24`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    ip: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads a network, or an address alone; `None` if it is neither. Bits behind those that count
    /// mean nothing.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (ip, bits) = match text.split_once('/') {
            Some((ip, bits)) => (ip, Some(bits)),
            None => (text, None),
        };
        let ip: IpAddr = ip.parse().ok()?;
        let all = octets(ip).len() * 8;
        let bits = match bits {
            Some(bits) if bits.bytes().all(|digit| digit.is_ascii_digit()) => bits.parse().ok()?,
            Some(_) => return None,
            None => u8::try_from(all).ok()?,
        };
        (usize::from(bits) <= all).then_some(Self { ip, bits })
    }

    /// An address of it: the one that it was written with.
    #[must_use]
    pub const fn ip(&self) -> IpAddr {
        self.ip
    }

    /// True if the address is one of the network's. An IPv4 address that was written as an IPv6
    /// one (RFC 4291 §2.5.5.2) is an IPv4 address.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let (ours, theirs) = (octets(self.ip), octets(ip.to_canonical()));
        let differs = ours
            .iter()
            .zip(&theirs)
            .enumerate()
            .any(|(at, (our, their))| {
                let counts = usize::from(self.bits).saturating_sub(at * 8).min(8);
                let mask = u8::try_from((0xff00_u16 >> counts) & 0xff).unwrap_or(u8::MAX);
                (our ^ their) & mask != 0
            });
        ours.len() == theirs.len() && !differs
    }
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_a_network() {
        for (network, address, expected) in [
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.128/25", "192.0.2.127", false),
            ("192.0.2.77/25", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.0", false),
            ("127.0.0.0/8", "::ffff:127.1.2.3", true),
            ("0.0.0.0/0", "198.51.100.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::1", "::1", true),
            ("::/0", "2001:db8::1", true),
            ("::/0", "192.0.2.1", false),
            ("2001:db8::/33", "2001:db8:7fff::1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false),
        ] {
            let parsed = Network::parse(network).unwrap();
            let contains = parsed.contains(address.parse().unwrap());
            assert_eq!(contains, expected, "{network} {address}");
        }
    }

    #[test]
    fn networks_are_read_and_written() {
        assert_eq!(Network::parse("::1").unwrap().to_string(), "::1/128");
        assert_eq!(
            Network::parse("10.0.0.0/8").unwrap().to_string(),
            "10.0.0.0/8"
        );
        for wrong in [
            "",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "::/+1",
            "a/1",
        ] {
            assert_eq!(Network::parse(wrong), None, "{wrong}");
        }
    }
}
