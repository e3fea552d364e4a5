//! The world outside: whom DNS is asked.

use std::net::SocketAddr;
use std::time::Duration;

use net::DnsSettings;

use super::setting::{self, Setting};
use super::written::{Meaning, Written};
use super::{Config, find};

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
        }
    }

    /// The entries of a list.
    pub(super) fn many<T>(&self, setting: &Setting, one: impl Fn(Meaning) -> Option<T>) -> Vec<T> {
        match self.value(setting).map(|value| value.meaning) {
            Some(Meaning::Many(all)) => all.into_iter().filter_map(one).collect(),
            _ => Vec::new(),
        }
    }
}

/// Finds times in which nothing can be asked.
pub(super) fn check(written: &mut Written) {
    let setting = &setting::DNS_TIMEOUT;
    if let Some(value) = find(written, setting).filter(|value| value.number() == Some(0)) {
        let what = "in no time nothing can be asked".to_owned();
        written.flaw(value.span, what, format!("timeout = {}", setting.default));
    }
}
