//! DANE for SMTP (RFC 6698, 7671, 7672): is the certificate that an exchanger shows the one its DNS
//! says?
//!
//! Only answers that DNSSEC proves may come here; whoever asks the questions sees to it.
//!
//! Not here: TLS itself; authorities that everybody trusts (RFC 7672 §3.1.3 leaves them out).

use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// Certificates of a chain that are looked at.
pub const CHAIN_MAX: usize = 10;
/// Records that are looked at.
pub const RECORDS_MAX: usize = 50;

/// A TLSA record (RFC 6698 §2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tlsa {
    /// 2: an authority of the chain; 3: the server's own certificate.
    pub usage: u8,
    /// 0: the whole certificate; 1: its public key.
    pub selector: u8,
    /// 0: as it is; 1: its SHA-256; 2: its SHA-512.
    pub matching: u8,
    /// What it must be.
    pub data: Vec<u8>,
}

impl Tlsa {
    // RFC 6698 §2.1
    /// Reads a record as it travels.
    #[must_use]
    pub fn parse(octets: &[u8]) -> Option<Self> {
        let (&[usage, selector, matching], data) = octets.split_first_chunk()?;
        Some(Self {
            usage,
            selector,
            matching,
            data: data.to_vec(),
        })
    }

    // RFC 7672 §3.1.3, RFC 7671 §4
    /// True if the record says something that can be held against a chain.
    fn is_usable(&self) -> bool {
        let octets = match self.matching {
            0 => !self.data.is_empty(),
            1 => self.data.len() == 32,
            2 => self.data.len() == 64,
            _ => false,
        };
        matches!(self.usage, 2 | 3) && matches!(self.selector, 0 | 1) && octets
    }

    fn matches(&self, certificate: &[u8]) -> bool {
        let selected = match self.selector {
            0 => Some(certificate),
            _ => public_key(certificate),
        };
        let Some(selected) = selected else {
            return false;
        };
        match self.matching {
            0 => selected == self.data,
            1 => digest(&SHA256, selected).as_ref() == self.data,
            _ => digest(&SHA512, selected).as_ref() == self.data,
        }
    }
}

impl fmt::Display for Tlsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} ", self.usage, self.selector, self.matching)?;
        self.data
            .iter()
            .try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// What a chain is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the one that this record wants.
    Verified(Tlsa),
    /// It is none that any record wants: nothing is sent.
    Refused(String),
    /// No record says anything: there must be TLS, with whatever certificate (RFC 7672 §2.2).
    Unusable,
}

/// The name that an exchanger's records have (RFC 7672 §3).
#[must_use]
pub fn question_name(host: &str, port: u16) -> String {
    format!("_{port}._tcp.{host}")
}

// RFC 7672 §3.1, §3.2
/// Holds a chain (the server's own certificate first, each in DER) against the records. `names` are
/// those that the server may have: the exchanger's, and the domain's own. `now` is in seconds since
/// 1970.
#[must_use]
pub fn judge(records: &[Tlsa], chain: &[&[u8]], names: &[&str], now: u64) -> Verdict {
    let chain = chain.get(..chain.len().min(CHAIN_MAX)).unwrap_or_default();
    let usable = || {
        records
            .iter()
            .take(RECORDS_MAX)
            .filter(|record| record.is_usable())
    };
    if usable().next().is_none() {
        return Verdict::Unusable;
    }
    let Some((own, _)) = chain.split_first() else {
        return Verdict::Refused("it shows no certificate".to_owned());
    };
    let mut problem = "no record is about this certificate".to_owned();
    for record in usable() {
        // RFC 7671 §5.1: neither names nor dates count.
        if record.usage == 3 {
            if record.matches(own) {
                return Verdict::Verified(record.clone());
            }
            continue;
        }
        for authority in chain.iter().filter(|one| record.matches(one)) {
            match leads_to(authority, chain, names, now) {
                Ok(()) => return Verdict::Verified(record.clone()),
                Err(what) => problem = what,
            }
        }
    }
    Verdict::Refused(problem)
}

// RFC 7671 §5.2
/// Sees that the chain leads from the server to an authority that a record names.
fn leads_to(authority: &[u8], chain: &[&[u8]], names: &[&str], now: u64) -> Result<(), String> {
    let wrong = |error: webpki::Error| format!("its chain does not hold: {error}");
    let certificates: Vec<CertificateDer<'_>> =
        chain.iter().map(|der| CertificateDer::from(*der)).collect();
    let (own, between) = certificates
        .split_first()
        .ok_or("it shows no certificate")?;
    let own = EndEntityCert::try_from(own).map_err(wrong)?;
    let authority = CertificateDer::from(authority);
    let anchor = anchor_from_trusted_cert(&authority).map_err(wrong)?;
    own.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &[anchor],
        between,
        UnixTime::since_unix_epoch(Duration::from_secs(now)),
        KeyUsage::server_auth(),
        None,
        None,
    )
    .map_err(wrong)?;
    let named = |name: &&str| {
        ServerName::try_from(*name)
            .is_ok_and(|name| own.verify_is_valid_for_subject_name(&name).is_ok())
    };
    match names.iter().any(named) {
        true => Ok(()),
        false => Err("its certificate is for other names".to_owned()),
    }
}

/// The public key of a certificate, as it stands in it.
fn public_key(certificate: &[u8]) -> Option<&[u8]> {
    let (_, read) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(read.tbs_certificate.subject_pki.raw)
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

    use super::*;

    const NOW: u64 = 1_795_000_000;
    const HOST: &str = "mx.example.com";

    /// An authority and a server's certificate made by it.
    fn chain() -> (Vec<u8>, Vec<u8>) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let params = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let server = params.signed_by(&key, &authority).unwrap();
        (server.der().to_vec(), authority.der().to_vec())
    }

    fn tlsa(usage: u8, selector: u8, matching: u8, certificate: &[u8]) -> Tlsa {
        let selected = match selector {
            0 => certificate,
            _ => public_key(certificate).unwrap(),
        };
        let data = match matching {
            0 => selected.to_vec(),
            1 => digest(&SHA256, selected).as_ref().to_vec(),
            _ => digest(&SHA512, selected).as_ref().to_vec(),
        };
        Tlsa {
            usage,
            selector,
            matching,
            data,
        }
    }

    // RFC 7671 §5.1, §5.2, RFC 7672 §3.1.
    #[test]
    fn every_kind_of_record() {
        let (server, authority) = chain();
        let (_, stranger) = chain();
        for selector in 0..2 {
            for matching in 0..3 {
                let record = |usage, certificate| tlsa(usage, selector, matching, certificate);
                let judged = |record: Tlsa, names: &[&str]| {
                    judge(&[record], &[&server, &authority], names, NOW)
                };
                for record in [record(3, &server), record(2, &authority)] {
                    let verdict = judged(record.clone(), &[HOST]);
                    assert_eq!(verdict, Verdict::Verified(record));
                }
                // The server's own certificate needs no name.
                assert_ne!(judged(record(3, &server), &[]), Verdict::Unusable);
                for record in [
                    record(3, &authority),
                    record(2, &stranger),
                    record(3, &stranger),
                ] {
                    assert!(matches!(judged(record, &[HOST]), Verdict::Refused(_)));
                }
                let other = judged(record(2, &authority), &["mx.example.org"]);
                assert!(matches!(other, Verdict::Refused(_)));
            }
        }
    }

    #[test]
    fn chains_that_do_not_hold() {
        let (server, authority) = chain();
        let record = tlsa(2, 0, 1, &authority);
        let (stranger, _) = chain();
        for (chain, now) in [
            (vec![&*stranger, &*authority], NOW),
            (vec![&*server, &*authority], u64::MAX / 2),
            (vec![], NOW),
            (vec![b"no certificate".as_slice(), &authority], NOW),
        ] {
            let verdict = judge(std::slice::from_ref(&record), &chain, &[HOST], now);
            assert!(matches!(verdict, Verdict::Refused(_)), "{verdict:?}");
        }
    }

    // RFC 7672 §2.2, §3.1.3.
    #[test]
    fn records_that_say_nothing() {
        let (server, _) = chain();
        for record in [
            tlsa(0, 0, 1, &server),
            tlsa(1, 1, 1, &server),
            Tlsa {
                matching: 2,
                ..tlsa(3, 1, 1, &server)
            },
            Tlsa {
                selector: 2,
                ..tlsa(3, 1, 1, &server)
            },
        ] {
            assert_eq!(
                judge(&[record], &[&server], &[HOST], NOW),
                Verdict::Unusable
            );
        }
        let read = Tlsa::parse(&[3, 1, 1, 0xab, 0xcd]).unwrap();
        assert_eq!(read.to_string(), "3 1 1 abcd");
        assert_eq!(Tlsa::parse(&[3, 1]), None);
        assert_eq!(question_name(HOST, 25), "_25._tcp.mx.example.com");
    }
}
