//! Who may log in: passwords, SCRAM keys, access tokens, and how often one may be wrong.
//!
//! Not here: the exchanges themselves (`wire`), the words of each protocol.

mod digest;
mod gate;
mod key_set;
mod token;

use std::net::IpAddr;

use base64::Engine;
use mail::{AccountId, Address, LocalPart};
use tokio::sync::oneshot;
use unicode_normalization::UnicodeNormalization;

use crate::directory::lower;
use crate::directory::rows::{Argon2id, Password, Scram};
use crate::{Account, Error, Outcome, Post, Why};

use gate::Pending;
pub(crate) use gate::{Attempt, Gate};
pub use key_set::{KEY_SET_OCTETS_MAX, KeySet, KeySetError};
pub use token::{Introspected, IntrospectedError, TokenProof, TokenRules, is_signed_token};

/// The hash of a SCRAM mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScramHash {
    /// RFC 5802.
    Sha1,
    /// RFC 7677.
    Sha256,
}

/// What SCRAM needs to know of a user (RFC 5802 §3), and a fresh nonce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramKeys {
    /// The salt.
    pub salt: Vec<u8>,
    /// Rounds of PBKDF2.
    pub iterations: u32,
    /// `H(ClientKey)`.
    pub stored_key: Vec<u8>,
    /// `HMAC(SaltedPassword, "Server Key")`.
    pub server_key: Vec<u8>,
    /// The server's part of the nonce: printable ASCII without a comma.
    pub nonce: String,
}

impl Post {
    /// Logs in with a password. `authorization` must be empty or name the same account.
    ///
    /// The user is an account's address; without `@`, where only one domain is ours, its local
    /// part.
    ///
    /// # Errors
    /// [`Why::AuthenticationFailed`] (535 5.7.8), [`Why::AuthorizationFailed`],
    /// [`Why::Unavailable`] (454 4.7.0) if there were too many failures or checks, or a fault.
    pub async fn login_password(
        &self,
        peer: IpAddr,
        user: &str,
        authorization: Option<&str>,
        password: &str,
    ) -> Outcome<Account> {
        let gate = &self.inner.gate;
        let password = &prepared(password);
        let attempt = self.pass_gate(peer, user)?;
        let known = self.lookup(user);
        let (id, kept) = match &known {
            Some((id, password)) => (Some((*id, password.scram.salt)), password.argon2.clone()),
            // The same work for an unknown user, so that time does not tell who exists.
            None => (None, self.nobody()),
        };
        let fingerprint = gate.fingerprint(&kept, password);
        let now = self.inner.outside.instant();
        // Lives until a failure is counted, so that at no moment it counts for nothing.
        let mut guess = None;
        let right = match id {
            Some(_) if gate.remembers(&fingerprint, now, &self.inner.rules) => true,
            _ => {
                let guess = guess.insert(Guess::begin(self, &attempt, fingerprint)?);
                let checked = self.check(kept, password.to_owned()).await;
                guess.answered = true;
                checked?
            }
        };
        let (true, Some((id, salt))) = (right, id) else {
            return Err(self.login_failed(peer, user));
        };
        gate.remember(fingerprint, now, &self.inner.rules);
        gate.befriend(&attempt, now);
        // It may have changed while it was checked: then who knew the old one is not welcome.
        let account = self.admit(id, authorization).await?;
        if self.inner.rules.scram_sha1 && known.is_some_and(|(_, kept)| kept.scram_sha1.is_none()) {
            self.add_sha1_keys(id, salt, password).await;
        }
        Ok(Account {
            salt: Some(salt),
            ..account
        })
    }

    /// The keys of a user for SCRAM. An unknown user gets keys as well, made up but always the
    /// same; so does one of whose password there are no keys for SCRAM-SHA-1 yet.
    ///
    /// # Errors
    /// [`Why::Unavailable`] (454 4.7.0) if there were too many failures.
    pub fn login_keys(&self, peer: IpAddr, user: &str, hash: ScramHash) -> Outcome<ScramKeys> {
        self.pass_gate(peer, user)?;
        let mut nonce = [0; 18];
        self.inner.outside.fill(&mut nonce);
        let nonce = base64::engine::general_purpose::STANDARD_NO_PAD.encode(nonce);
        let (kept, name) = (self.lookup(user), self.counted(user));
        let (gate, rules) = (&self.inner.gate, &self.inner.rules);
        Ok(match hash {
            ScramHash::Sha256 => {
                let kept = kept.map(|(_, password)| password.scram);
                let scram = kept.unwrap_or_else(|| gate.invented(&name, "", rules));
                keys(&scram, nonce)
            }
            ScramHash::Sha1 => {
                let known = kept.is_some();
                let kept = kept.and_then(|(_, password)| password.scram_sha1);
                if known && kept.is_none() {
                    tracing::info!(
                        user,
                        "has no keys for SCRAM-SHA-1 before its next PLAIN login"
                    );
                }
                let scram = kept.unwrap_or_else(|| gate.invented(&name, " sha1", rules).into());
                keys(&scram, nonce)
            }
        })
    }

    /// Logs in a user who has proved, by SCRAM, to know the password.
    ///
    /// # Errors
    /// [`Why::AuthorizationFailed`] if `authorization` names somebody else,
    /// [`Why::AuthenticationFailed`] if the account has gone, or a fault.
    pub async fn login_proved(
        &self,
        peer: IpAddr,
        user: &str,
        authorization: Option<&str>,
    ) -> Outcome<Account> {
        match self.lookup(user) {
            Some((id, _)) => {
                let now = self.inner.outside.instant();
                let attempt = self.attempt(peer, user);
                self.inner.gate.befriend(&attempt, now);
                self.admit(id, authorization).await
            }
            None => Err(self.login_failed(peer, user)),
        }
    }

    /// Logs in who has shown a certificate for these addresses: as the first that is an account, or
    /// as the one that `authorization` names. Nothing can be guessed here, so nothing is counted.
    ///
    /// # Errors
    /// [`Why::AuthenticationFailed`] if none of them is an account, [`Why::AuthorizationFailed`] if
    /// `authorization` names another, or a fault.
    pub async fn login_certified(
        &self,
        addresses: &[String],
        authorization: Option<&str>,
    ) -> Outcome<Account> {
        let whole = addresses.iter().filter(|address| address.contains('@'));
        let own: Vec<AccountId> = whole
            .filter_map(|address| Some(self.lookup(address)?.0))
            .collect();
        let Some(first) = own.first() else {
            return Err(Error::refused(
                Why::AuthenticationFailed,
                535,
                [5, 7, 8],
                "The certificate names no account here",
            ));
        };
        let named = authorization.and_then(|name| Some(self.lookup(name)?.0));
        let id = named.filter(|id| own.contains(id)).unwrap_or(*first);
        self.admit(id, authorization).await
    }

    /// Counts a failed proof; returns what to tell the peer.
    pub fn login_failed(&self, peer: IpAddr, user: &str) -> Error {
        let inner = &self.inner;
        let now = inner.outside.instant();
        let attempt = self.attempt(peer, user);
        inner.gate.count(&attempt, now, &inner.rules);
        inner.tally.failed_login();
        Error::refused(
            Why::AuthenticationFailed,
            535,
            [5, 7, 8],
            "The name or the password is wrong",
        )
    }

    /// What is kept of a new password.
    pub(crate) async fn digest(&self, password: &str) -> Outcome<Password> {
        let mut salts = [[0; 16]; 3];
        for salt in &mut salts {
            self.inner.outside.fill(salt);
        }
        let (password, rules) = (prepared(password), self.inner.rules.clone());
        self.heavy(move || digest::make(&password, salts, &rules))
            .await?
    }

    /// Keeps keys for SCRAM-SHA-1 of a password that has just proved right. Whoever logs in is not
    /// kept out where that fails: the next login tries again.
    async fn add_sha1_keys(&self, id: AccountId, salt: [u8; 16], password: &str) {
        let mut sha1_salt = [0; 16];
        self.inner.outside.fill(&mut sha1_salt);
        let (password, rounds) = (password.to_owned(), self.inner.rules.scram_iterations);
        let made = self.heavy(move || digest::scram_sha1(&password, sha1_salt, rounds));
        let kept = match made.await {
            Ok(Ok(keys)) => self.keep_sha1_keys(id, salt, keys).await,
            Ok(Err(error)) | Err(error) => Err(error),
        };
        if let Err(error) = kept {
            tracing::warn!(%error, "keys for SCRAM-SHA-1 were not kept");
        }
    }

    async fn check(&self, kept: Argon2id, password: String) -> Outcome<bool> {
        self.heavy(move || digest::verify(&kept, &password)).await?
    }

    /// Runs work on the pool outside.
    async fn heavy<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Outcome<T> {
        let (done, answer) = oneshot::channel();
        self.inner.outside.run_heavy(Box::new(move || {
            // Whoever waited may have gone; then the answer goes nowhere.
            drop(done.send(work()));
        }));
        answer.await.map_err(|_| busy())
    }

    fn pass_gate(&self, peer: IpAddr, user: &str) -> Outcome<Attempt> {
        let attempt = self.attempt(peer, user);
        self.pass(&attempt)?;
        Ok(attempt)
    }

    fn pass(&self, attempt: &Attempt) -> Outcome<()> {
        let inner = &self.inner;
        let now = inner.outside.instant();
        let lets = inner.gate.lets(attempt, now, &inner.rules);
        lets.then_some(()).ok_or_else(busy)
    }

    fn attempt(&self, peer: IpAddr, user: &str) -> Attempt {
        Attempt::new(peer, self.counted(user))
    }

    async fn admit(&self, id: AccountId, authorization: Option<&str>) -> Outcome<Account> {
        let acts_as = authorization.filter(|name| !name.is_empty());
        let own =
            acts_as.is_none_or(|name| self.lookup(name).is_some_and(|(as_id, _)| as_id == id));
        if !own {
            return Err(Error::refused(
                Why::AuthorizationFailed,
                535,
                [5, 7, 8],
                "You may not act as that user",
            ));
        }
        let account = self.account(id).await?;
        self.inner.tally.login();
        Ok(account)
    }

    /// The name under which failures are counted, the same however the user writes it, and
    /// whether there is such a user or not.
    fn counted(&self, user: &str) -> String {
        match self.named(user) {
            Some(address) => lower(&address).to_string(),
            None => user.chars().take(320).collect::<String>().to_lowercase(),
        }
    }

    /// Whoever may log in by this name: a shared account is no other than one that is not there.
    fn lookup(&self, user: &str) -> Option<(AccountId, Password)> {
        let address = self.named(user)?;
        let maps = self.inner.directory.maps();
        let (id, row) = maps.account(&address)?;
        Some((id, row.password.clone()?))
    }

    /// The account a user means, whether anybody logs in as it or not.
    pub(crate) fn account_named(&self, user: &str) -> Option<AccountId> {
        let address = self.named(user)?;
        let maps = self.inner.directory.maps();
        maps.account(&address).map(|(id, _)| id)
    }

    /// The address a user means.
    fn named(&self, user: &str) -> Option<Address> {
        if user.contains('@') {
            return Address::parse(user).ok();
        }
        let maps = self.inner.directory.maps();
        let mut domains = maps.domains.iter();
        let (Some(host), None) = (domains.next(), domains.next()) else {
            return None;
        };
        Some(Address {
            local: LocalPart::new(user)?,
            host: host.clone(),
        })
    }

    /// What an unknown user's password is checked against.
    fn nobody(&self) -> Argon2id {
        let rules = &self.inner.rules;
        Argon2id {
            kibibytes: rules.argon2_kibibytes,
            passes: rules.argon2_passes,
            salt: [0; 16],
            digest: [0; 32],
        }
    }
}

fn keys<const OCTETS: usize>(scram: &Scram<OCTETS>, nonce: String) -> ScramKeys {
    ScramKeys {
        salt: scram.salt.to_vec(),
        iterations: scram.iterations,
        stored_key: scram.stored_key.to_vec(),
        server_key: scram.server_key.to_vec(),
        nonce,
    }
}

/// A password that is being checked. Whoever goes before the answer has guessed all the same: it
/// has cost as much.
struct Guess<'a> {
    house: &'a Post,
    attempt: &'a Attempt,
    pending: Pending,
    answered: bool,
}

impl<'a> Guess<'a> {
    fn begin(house: &'a Post, attempt: &'a Attempt, fingerprint: [u8; 32]) -> Outcome<Self> {
        let inner = &house.inner;
        let now = inner.outside.instant();
        let begun = inner.gate.begin(attempt, fingerprint, now, &inner.rules);
        Ok(Self {
            house,
            attempt,
            pending: begun.ok_or_else(busy)?,
            answered: false,
        })
    }
}

impl Drop for Guess<'_> {
    fn drop(&mut self) {
        let inner = &self.house.inner;
        if !self.answered {
            let now = inner.outside.instant();
            inner.gate.count(self.attempt, now, &inner.rules);
        }
        inner.gate.end(&self.pending);
    }
}

/// The password as it is compared, however the keyboard composed its letters.
// RFC 4013 §2.2
fn prepared(password: &str) -> String {
    password.nfkc().collect()
}

fn busy() -> Error {
    Error::refused(
        Why::Unavailable,
        454,
        [4, 7, 0],
        "Logging in is not possible now; please try again later",
    )
}
