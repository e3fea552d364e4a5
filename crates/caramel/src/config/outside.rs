//! The world outside: whom DNS is asked, how letters from there are checked, and what our own are
//! signed with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mail::{Host, Network};
use net::{DnsSettings, TrustAd};
use post::{DmarcMeasure, DomainKey, Keyring, TrustRules};
use toml::Value as TomlValue;
use trust::dkim::SigningKey;

use super::setting::{self, Setting};
use super::written::{Meaning, Table, Value, Written, default};
use super::{Config, find};

/// A key that letters are signed with, as the file names it.
#[derive(Clone, Debug)]
pub(crate) struct NamedKey {
    domain: Host,
    selector: String,
    pub(super) path: PathBuf,
}

/// What letters are signed with.
#[derive(Debug, Default)]
pub(super) struct Signatures {
    pub(super) named: Vec<NamedKey>,
    keyring: Arc<Keyring>,
}

impl Config {
    /// Whom DNS is asked.
    pub(crate) fn dns(&self) -> DnsSettings {
        let server = |meaning| match meaning {
            Meaning::Server(address) => Some(address),
            _ => None,
        };
        let servers: Vec<SocketAddr> = self.many(&setting::DNS_SERVERS, server);
        DnsSettings {
            servers,
            timeout: Duration::from_secs(self.number(&setting::DNS_TIMEOUT)),
            trust_ad: match self.word(&setting::DNS_TRUST_AD).as_str() {
                "always" => TrustAd::Always,
                "never" => TrustAd::Never,
                _ => TrustAd::Local,
            },
        }
    }

    /// How letters from outside are checked.
    pub(crate) fn trust(&self) -> TrustRules {
        let network = |meaning| match meaning {
            Meaning::Network(network) => Some(network),
            _ => None,
        };
        let host = |meaning| match meaning {
            Meaning::Host(host) => Some(host),
            _ => None,
        };
        let unchecked: Vec<Network> = self.many(&setting::UNCHECKED, network);
        TrustRules {
            check: self.is_on(&setting::CHECK),
            unchecked,
            dmarc: match self.word(&setting::DMARC).as_str() {
                "mark" => DmarcMeasure::Mark,
                "quarantine" => DmarcMeasure::Quarantine,
                _ => DmarcMeasure::Reject,
            },
            trusted_sealers: self.many(&setting::TRUSTED_SEALERS, host),
            reports: self.is_on(&setting::TRUST_REPORTS),
            patience: Duration::from_secs(self.number(&setting::TRUST_TIMEOUT)),
            lists: self.trust_lists(),
            list_refuse_weight: self.count(&setting::LIST_REFUSE),
            list_junk_weight: self.count(&setting::LIST_JUNK),
            greylist: self.greylist(),
            ..TrustRules::default()
        }
    }

    /// What letters of our own people are signed with.
    pub(crate) fn keyring(&self) -> Arc<Keyring> {
        Arc::clone(&self.signatures.keyring)
    }

    /// The entries of a list.
    pub(super) fn many<T>(&self, setting: &Setting, one: impl Fn(Meaning) -> Option<T>) -> Vec<T> {
        match self.value(setting).map(|value| value.meaning) {
            Some(Meaning::Many(all)) => all.into_iter().filter_map(one).collect(),
            _ => Vec::new(),
        }
    }
}

impl NamedKey {
    /// As it is written.
    pub(super) fn show(&self) -> String {
        let text = |text: String| TomlValue::String(text);
        let (domain, selector) = (text(self.domain.to_string()), text(self.selector.clone()));
        let path = text(self.path.display().to_string());
        format!("\n[[dkim]]\ndomain = {domain}\nselector = {selector}\nkey = {path}\n")
    }
}

/// Finds times in which nothing can be asked.
pub(super) fn check(written: &mut Written) {
    for setting in [&setting::DNS_TIMEOUT, &setting::TRUST_TIMEOUT] {
        if let Some(value) = find(written, setting).filter(|value| value.number() == Some(0)) {
            let what = "in no time nothing can be asked".to_owned();
            written.flaw(value.span, what, format!("timeout = {}", setting.default));
        }
    }
}

/// Reads all keys that are named.
pub(super) fn signatures(written: &mut Written) -> Signatures {
    let mut signatures = Signatures::default();
    let mut keys = Vec::new();
    for (table, span) in written.take_list("dkim") {
        let parts = (
            value(&table, &setting::DKIM_DOMAIN),
            value(&table, &setting::DKIM_SELECTOR),
            value(&table, &setting::DKIM_KEY),
        );
        let (Some(domain), Some(selector), Some(key)) = parts else {
            let what = "this signature needs `domain`, `selector` and `key`".to_owned();
            let hint = "domain = \"example.org\", selector = \"s1\", key = \"/etc/caramel/s1.pem\"";
            written.flaw(span, what, hint);
            continue;
        };
        let (Meaning::Host(domain), Meaning::Word(selector), Meaning::Path(path)) =
            (domain.meaning, selector.meaning, &key.meaning)
        else {
            continue;
        };
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string());
        let read = text.and_then(|text| {
            let read = SigningKey::from_pem(&text);
            read.map_err(|error| error.to_string())
        });
        match read {
            Ok(read) => keys.push(DomainKey::new(&domain, &selector, read)),
            Err(error) => {
                let what = format!("{} has no key that signs letters", key.shown);
                written.flaw(key.span.clone(), what, error);
            }
        }
        signatures.named.push(NamedKey {
            domain,
            selector,
            path: path.clone(),
        });
    }
    signatures.keyring = Arc::new(Keyring::new(keys));
    signatures
}

fn value(table: &Table, setting: &Setting) -> Option<Value> {
    let given = table.get(&(setting.section, setting.key)).cloned();
    given.or_else(|| default(setting))
}
