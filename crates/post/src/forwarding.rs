//! Senders of letters that are sent on to other hosts: rewritten, so that the next host finds a
//! sender for whom this one may send, and led back when a report comes.
//!
//! Not here: how such an address is made (`trust::srs`), who sends on what (`filter`, `incoming`).

use mail::{Address, ForwardPath, Host, ReversePath};
use trust::srs::{Error as NotLed, Srs};

use crate::Post;

/// What the key is made for: no other use of the house's secret gives the same.
const KEY_CONTEXT: &str = "Caramel 2026-11-27 addresses of senders that are rewritten";

impl Post {
    /// The path under which a letter from somewhere else is sent on to another host. It stays where
    /// it is nobody's or one of ours, and where there is no room for it.
    pub(crate) fn sent_on_as(&self, path: &ReversePath) -> ReversePath {
        let ReversePath::Address(address) = path else {
            return ReversePath::Null;
        };
        let rules = self.rules();
        let is_ours =
            |host: &Host| *host == rules.host || self.inner.directory.maps().domains.contains(host);
        if !rules.rewrites_senders || address.needs_utf8() || is_ours(&address.host) {
            return path.clone();
        }
        let now = self.inner.outside.now().seconds;
        match self.rewriter().forward(address, now) {
            Ok(rewritten) => ReversePath::Address(rewritten),
            Err(error) => {
                tracing::info!(%path, %error, "the sender stays as it is");
                path.clone()
            }
        }
    }

    /// Where an address that was made here leads back to; none if it is no such address.
    pub(crate) fn led_back(&self, path: &ForwardPath) -> Option<Result<Address, NotLed>> {
        let rules = self.rules();
        let address = path.address().filter(|_| rules.rewrites_senders)?;
        if address.host != rules.host || !is_rewritten(address.local.as_str()) {
            return None;
        }
        let now = self.inner.outside.now().seconds;
        Some(self.rewriter().reverse(&address.local, now))
    }

    /// Who is meant by a path, which may be one that leads back to somebody.
    pub(crate) fn meant_by(&self, path: &ForwardPath) -> ForwardPath {
        match self.led_back(path) {
            Some(Ok(address)) => ForwardPath::Address(address),
            Some(Err(_)) | None => path.clone(),
        }
    }

    fn rewriter(&self) -> Srs {
        let key = blake3::derive_key(KEY_CONTEXT, &self.inner.directory.secret());
        Srs::new(&self.rules().host.to_ascii(), &[key.as_slice()])
    }
}

/// True for what an address looks like that leads back.
fn is_rewritten(local: &str) -> bool {
    let (tag, rest) = local.split_at_checked(4).unwrap_or_default();
    let tagged = tag.eq_ignore_ascii_case("SRS0") || tag.eq_ignore_ascii_case("SRS1");
    tagged && rest.starts_with(['=', '-', '+'])
}
