//! What a server offers, as its reply to EHLO or LHLO says (RFC 5321 §4.1.1.1).

use wire::sasl::Mechanism;

use crate::Reply;

/// What a server offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Offers {
    pub(super) pipelining: bool,
    pub(super) eight_bit: bool,
    pub(super) binary: bool,
    pub(super) chunking: bool,
    pub(super) smtputf8: bool,
    pub(super) dsn: bool,
    pub(super) starttls: bool,
    pub(super) requiretls: bool,
    /// Mechanisms of AUTH that we know.
    pub(super) mechanisms: Vec<Mechanism>,
    pub(super) etrn: bool,
    pub(super) atrn: bool,
    pub(super) size: bool,
    /// The most octets it takes, where it says.
    pub(super) octets_max: Option<u64>,
}

impl Offers {
    pub(super) fn read(reply: &Reply) -> Self {
        let mut offers = Self::default();
        for line in reply.lines.iter().skip(1) {
            // Old servers write AUTH=PLAIN.
            let line = line.to_ascii_uppercase().replace('=', " ");
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("PIPELINING") => offers.pipelining = true,
                Some("8BITMIME") => offers.eight_bit = true,
                Some("BINARYMIME") => offers.binary = true,
                Some("CHUNKING") => offers.chunking = true,
                Some("SMTPUTF8") => offers.smtputf8 = true,
                Some("DSN") => offers.dsn = true,
                Some("STARTTLS") => offers.starttls = true,
                Some("REQUIRETLS") => offers.requiretls = true,
                Some("AUTH") => offers.mechanisms.extend(words.filter_map(Mechanism::parse)),
                Some("ETRN") => offers.etrn = true,
                Some("ATRN") => offers.atrn = true,
                Some("SIZE") => {
                    offers.size = true;
                    // RFC 1870 §4
                    let octets = words.next().and_then(|word| word.parse().ok());
                    offers.octets_max = octets.filter(|octets| *octets > 0);
                }
                _ => {}
            }
        }
        offers
    }
}
