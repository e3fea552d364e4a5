//! Access tokens instead of passwords: who issues them, and how they are judged.

use std::path::PathBuf;
use std::time::Duration;

use post::TokenRules;
use server::{Introspection, IntrospectionSettings, KeyFile};

use super::setting::{self, Setting};
use super::written::{Meaning, Value, Written};
use super::{ALL, Config, find};

/// How far the clock of whoever issues tokens may be from ours, seconds.
const TOKEN_LEEWAY_SECONDS: u64 = 60;

impl Config {
    /// Whose access tokens are taken, and what has to be in them.
    pub(crate) fn tokens(&self) -> Option<TokenRules> {
        let word = |setting| self.value(setting).map(|_| self.word(setting));
        Some(TokenRules {
            issuer: word(&setting::ISSUER)?,
            audience: word(&setting::AUDIENCE)?,
            account_claim: self.word(&setting::ACCOUNT_CLAIM),
            scope: word(&setting::SCOPE),
            openid_configuration: word(&setting::DISCOVERY),
            leeway: Duration::from_secs(TOKEN_LEEWAY_SECONDS),
        })
    }

    /// The keys that access tokens are signed with.
    pub(crate) fn token_keys(&self) -> Option<PathBuf> {
        match self.value(&setting::KEYS)?.meaning {
            Meaning::Path(path) => Some(path),
            _ => None,
        }
    }

    /// Where the issuer of access tokens is asked about them.
    pub(crate) fn introspection(&self) -> Option<IntrospectionSettings> {
        introspection(|setting| self.value(setting))
    }
}

fn introspection(value: impl Fn(&Setting) -> Option<Value>) -> Option<IntrospectionSettings> {
    let word = |setting| match value(setting)?.meaning {
        Meaning::Word(word) => Some(word),
        _ => None,
    };
    let path = |setting| match value(setting)?.meaning {
        Meaning::Path(path) => Some(path),
        _ => None,
    };
    Some(IntrospectionSettings {
        url: word(&setting::INTROSPECTION)?,
        client: word(&setting::INTROSPECTION_CLIENT)?,
        secret: path(&setting::INTROSPECTION_SECRET)?,
        authorities: path(&setting::INTROSPECTION_CA),
    })
}

/// Who issues tokens, for whom, and what they are judged by is all there or nothing is; the keys
/// are keys, and the issuer can be asked.
pub(super) fn check(written: &mut Written) {
    // What has a default asks for nothing.
    let mut of_oauth = ALL
        .iter()
        .filter(|known| known.section == setting::KEYS.section && known.default.is_empty());
    let Some(given) = of_oauth.find_map(|known| find(written, known)) else {
        return;
    };
    let asks = [
        &setting::INTROSPECTION,
        &setting::INTROSPECTION_CLIENT,
        &setting::INTROSPECTION_SECRET,
    ];
    let has_asks = asks.iter().any(|part| find(written, part).is_some())
        || find(written, &setting::INTROSPECTION_CA).is_some();
    let mut needed = vec![&setting::ISSUER, &setting::AUDIENCE];
    match has_asks {
        true => needed.extend(asks),
        false => needed.push(&setting::KEYS),
    }
    for needed in needed {
        if find(written, needed).is_none() {
            let what = format!("`[oauth]` needs `{}` as well", needed.key);
            let hint = format!("{} = {}", needed.key, needed.example);
            written.flaw(given.span.clone(), what, hint);
        }
    }
    if let Some(value) = find(written, &setting::KEYS)
        && let Meaning::Path(path) = &value.meaning
        && let Err(error) = KeyFile::open(path)
    {
        let what = format!("{} has no keys", value.shown);
        written.flaw(value.span, what, error.to_string());
    }
    if let Some(value) = find(written, &setting::INTROSPECTION)
        && let Some(settings) = introspection(|setting| find(written, setting))
        && let Err(error) = Introspection::open(&settings)
    {
        let what = format!("{} cannot be asked", value.shown);
        written.flaw(value.span, what, error.to_string());
    }
}
