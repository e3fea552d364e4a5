//! What the issuer of access tokens says of one when it is asked (RFC 7662), kept for a while.
//!
//! Not here: HTTP (`net`), what an answer means (the post's).

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use net::{FormPlace, HttpError, form, form_word};
use post::{Introspected, IntrospectedError};
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// How long an answer may take, with all that goes before it.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// How long an answer is good: so long a token may live on that has been taken back.
const KEPT_TIME_MAX: Duration = Duration::from_secs(60);

/// Answers that are kept.
const KEPT_MAX: usize = 1000;

/// Questions that are asked at once.
const ASKED_AT_ONCE_MAX: usize = 16;

/// Octets of the file with the secret.
const SECRET_OCTETS_MAX: usize = 4096;

/// Where an issuer is asked, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntrospectionSettings {
    /// Its introspection endpoint: a URL with `https:`, or `http:` to this machine.
    pub url: String,
    /// What we are called there.
    pub client: String,
    /// A file with the secret that proves it.
    pub secret: PathBuf,
    /// The authorities its certificate is checked with, in PEM; without them the system's.
    pub authorities: Option<PathBuf>,
}

/// An issuer that is asked.
#[derive(Debug)]
pub struct Introspection {
    place: FormPlace,
    turns: Semaphore,
    kept: Mutex<HashMap<[u8; 32], Kept>>,
}

#[derive(Debug)]
struct Kept {
    said: Arc<Introspected>,
    until: Instant,
}

/// Why the issuer has said nothing.
#[derive(Debug, thiserror::Error)]
pub enum IntrospectionError {
    /// The secret cannot be read.
    #[error("the secret: {0}")]
    Secret(io::Error),
    /// It was not reached, or has not answered as it should.
    #[error(transparent)]
    Form(#[from] HttpError),
    /// It has answered something else.
    #[error("the answer says nothing of a token: {0}")]
    Answer(#[from] IntrospectedError),
}

impl Introspection {
    /// Reads what is needed for asking; nobody is asked yet.
    ///
    /// # Errors
    /// If the secret or the authorities cannot be read, or the URL is none.
    pub fn open(settings: &IntrospectionSettings) -> Result<Self, IntrospectionError> {
        let secret =
            std::fs::read_to_string(&settings.secret).map_err(IntrospectionError::Secret)?;
        let secret = secret.trim_end_matches(['\r', '\n']);
        if secret.is_empty() || secret.len() > SECRET_OCTETS_MAX {
            let what = format!("it has none, or more than {SECRET_OCTETS_MAX} octets");
            return Err(IntrospectionError::Secret(io::Error::other(what)));
        }
        // RFC 6749 §2.3.1
        let credentials = format!("{}:{}", form_word(&settings.client), form_word(secret));
        let authorization = format!("Basic {}", STANDARD.encode(credentials));
        let authorities = settings.authorities.as_deref();
        Ok(Self {
            place: FormPlace::new(&settings.url, authorities, &authorization)?,
            turns: Semaphore::new(ASKED_AT_ONCE_MAX),
            kept: Mutex::default(),
        })
    }

    /// What the issuer says of a token, or said a short while ago.
    pub(crate) async fn ask(&self, token: &str) -> Result<Arc<Introspected>, IntrospectionError> {
        let name = *blake3::hash(token.as_bytes()).as_bytes();
        let begun = Instant::now();
        if let Some(said) = self.kept_at(&name, begun) {
            return Ok(said);
        }
        let turn = tokio::time::timeout(ANSWER_TIME_MAX, self.turns.acquire()).await;
        let turn = turn.map_err(|_| HttpError::Slow)?;
        let left = ANSWER_TIME_MAX.saturating_sub(begun.elapsed());
        // RFC 7662 §2.1
        let form = form(&[("token", token), ("token_type_hint", "access_token")]);
        let answer = self.place.post(form, left).await?;
        drop(turn);
        let said = Arc::new(Introspected::parse(&answer)?);
        // From when it was asked: what has happened at the issuer since then is not in the answer.
        self.keep(name, Arc::clone(&said), begun);
        Ok(said)
    }

    fn kept_at(&self, name: &[u8; 32], now: Instant) -> Option<Arc<Introspected>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.get(name).filter(|found| now < found.until)?;
        Some(Arc::clone(&found.said))
    }

    fn keep(&self, name: [u8; 32], said: Arc<Introspected>, asked: Instant) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.retain(|_, one| asked < one.until);
        }
        // Where all are good still, this one is asked about again.
        if kept.len() < KEPT_MAX || kept.contains_key(&name) {
            let until = asked + KEPT_TIME_MAX;
            kept.insert(name, Kept { said, until });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(folder: &std::path::Path) -> Result<Introspection, IntrospectionError> {
        Introspection::open(&IntrospectionSettings {
            url: "http://localhost:1/introspect".to_owned(),
            client: "caramel".to_owned(),
            secret: folder.join("secret"),
            authorities: None,
        })
    }

    #[test]
    fn answers_are_kept_for_a_while_and_no_more_than_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "hush\n").unwrap();
        let issuer = opened(folder.path()).unwrap();
        let said = Arc::new(Introspected::parse(b"{\"active\": false}").unwrap());
        let name = |number: usize| *blake3::hash(&number.to_be_bytes()).as_bytes();
        let asked = Instant::now();
        for number in 0..=KEPT_MAX {
            issuer.keep(name(number), Arc::clone(&said), asked);
        }
        let last = KEPT_TIME_MAX - Duration::from_millis(1);
        assert!(issuer.kept_at(&name(0), asked + last).is_some());
        assert!(issuer.kept_at(&name(0), asked + KEPT_TIME_MAX).is_none());
        assert!(issuer.kept_at(&name(KEPT_MAX), asked).is_none(), "full");
        let later = asked + KEPT_TIME_MAX;
        issuer.keep(name(KEPT_MAX), said, later);
        assert!(issuer.kept_at(&name(KEPT_MAX), later).is_some());
        assert_eq!(issuer.kept.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_secret_has_to_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let missing = opened(folder.path());
        assert!(matches!(missing, Err(IntrospectionError::Secret(_))));
        for text in [String::new(), "\n".to_owned(), "x".repeat(4097)] {
            std::fs::write(&path, text).unwrap();
            let without = opened(folder.path());
            assert!(matches!(without, Err(IntrospectionError::Secret(_))));
        }
        std::fs::write(&path, "hush").unwrap();
        assert!(opened(folder.path()).is_ok());
    }
}
