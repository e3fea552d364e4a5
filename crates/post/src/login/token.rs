//! Access tokens: JSON that whoever issues tokens has signed (RFC 7519), or says of them when asked
//! (RFC 7662), and what has to be in it.
//!
//! Not here: where the keys are kept, how the issuer is asked.

use std::net::IpAddr;
use std::time::Duration;

use jsonwebtoken::{Validation, decode, decode_header};
use mail::{Enhanced, Refusal};
use serde_json::{Map, Value};

use super::Attempt;
use super::key_set::KeySet;
use crate::{Account, Error, Outcome, Post, Why};

/// Letters of a claim that the log shows.
const SHOWN_LETTERS_MAX: usize = 200;

/// Whose tokens are taken, and what has to be in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRules {
    /// Who has issued it (`iss`), to the letter.
    pub issuer: String,
    /// Whom it has to be meant for (`aud`), to the letter.
    pub audience: String,
    /// The claim that names the account.
    pub account_claim: String,
    /// What it has to allow (`scope`, or `scp`), if anything is asked for.
    pub scope: Option<String>,
    /// A document that tells clients where tokens are issued.
    pub openid_configuration: Option<String>,
    /// How far the issuer's clock may be from ours.
    pub leeway: Duration,
}

/// Why a token is not accepted; for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Flaw {
    #[error("it is no signed JWT, or signed in a way that is not taken")]
    Form,
    #[error("it is a JWT for another purpose")]
    Purpose,
    #[error("no key here can have signed it")]
    NoKey,
    #[error("its signature is wrong")]
    Signature,
    #[error("its issuer is {0}")]
    Issuer(String),
    #[error("it is meant for {0}")]
    Audience(String),
    #[error("it does not say when it expires")]
    Endless,
    #[error("it has expired")]
    Expired,
    #[error("it is not valid yet")]
    Early,
    #[error("its scope is {0}")]
    Scope(String),
    #[error("its claim `{0}` names nobody")]
    Nameless(String),
    #[error("its issuer has not verified the address")]
    Unverified,
    #[error("it names no account here")]
    NoAccount,
    #[error("its issuer says that it is not active")]
    Inactive,
}

type Claims = Map<String, Value>;

/// What a token is judged by.
#[derive(Clone, Copy, Debug)]
pub enum TokenProof<'a> {
    /// Its signature, by one of these keys.
    Signed(&'a KeySet),
    /// What its issuer has said of it.
    Introspected(&'a Introspected),
}

/// What an issuer says of a token when it is asked (RFC 7662 §2.2); by default that it is not
/// active.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Introspected {
    /// Nothing where the token is not active.
    claims: Option<Claims>,
}

/// Why an issuer's answer says nothing of a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no JSON object with `active`")]
pub struct IntrospectedError;

impl Introspected {
    /// Reads an issuer's answer.
    ///
    /// # Errors
    /// If it is no object, or does not say whether the token is active.
    // RFC 7662 §2.2
    pub fn parse(octets: &[u8]) -> Result<Self, IntrospectedError> {
        let claims: Claims = serde_json::from_slice(octets).map_err(|_| IntrospectedError)?;
        let active = claims.get("active").and_then(Value::as_bool);
        let active = active.ok_or(IntrospectedError)?;
        let claims = active.then_some(claims);
        Ok(Self { claims })
    }
}

/// True for a token in the form of a signed JWT, which its issuer need not be asked about.
#[must_use]
pub fn is_signed_token(token: &str) -> bool {
    decode_header(token).is_ok()
}

impl Post {
    /// Whether a token may be brought at all now: to be asked before its issuer is.
    ///
    /// # Errors
    /// [`Why::Unavailable`] (454 4.7.0) if there were too many failures.
    pub fn may_bring_token(&self, peer: IpAddr, authorization: Option<&str>) -> Outcome<()> {
        let attempt = self.token_attempt(peer, authorization);
        self.pass(&attempt)
    }

    fn token_attempt(&self, peer: IpAddr, authorization: Option<&str>) -> Attempt {
        match authorization {
            Some(user) => self.attempt(peer, user),
            None => Attempt::nameless(peer),
        }
    }

    /// Logs in whoever has brought an access token: as the account it names. `authorization` must
    /// be empty or name the same account. `None` for a token asks what is wanted.
    ///
    /// A token of no use counts as a wrong password does. Whoever is logged in stays so when the
    /// token expires.
    ///
    /// # Errors
    /// [`Why::AuthenticationFailed`] (535 5.7.8), [`Why::AuthorizationFailed`] if the token does
    /// not reach so far, [`Why::Unavailable`] (454 4.7.0) if there were too many failures, or a
    /// fault.
    pub async fn login_token(
        &self,
        peer: IpAddr,
        proof: TokenProof<'_>,
        token: Option<&str>,
        authorization: Option<&str>,
    ) -> Outcome<Account> {
        let (gate, rules) = (&self.inner.gate, &self.inner.rules);
        let now = self.inner.outside.instant();
        let attempt = self.token_attempt(peer, authorization);
        self.pass(&attempt)?;
        let (Some(tokens), Some(token)) = (&rules.tokens, token) else {
            let text = "An access token is needed";
            return Err(Error::refused(
                Why::AuthenticationFailed,
                535,
                [5, 7, 8],
                text,
            ));
        };
        let today = self.inner.outside.now().seconds;
        let named = check(tokens, proof, token, today);
        let known = named.and_then(|user| {
            let (id, _) = self.lookup(&user).ok_or(Flaw::NoAccount)?;
            Ok((user, id))
        });
        match known {
            Ok((user, id)) => {
                let account = self.admit(id, authorization).await?;
                gate.befriend(&self.attempt(peer, &user), now);
                Ok(account)
            }
            Err(flaw) => {
                gate.count(&attempt, now, rules);
                Err(flaw.refused())
            }
        }
    }
}

impl Flaw {
    fn refused(&self) -> Error {
        let (why, text) = match self {
            Self::Expired => (Why::AuthenticationFailed, "The access token has expired"),
            Self::Scope(_) => (Why::AuthorizationFailed, "The access token is not for mail"),
            _ => (
                Why::AuthenticationFailed,
                "The access token is not accepted",
            ),
        };
        let refusal = Refusal::new(535, Enhanced::new(5, 7, 8), text);
        Error::Refused(why, refusal.because(self.to_string()))
    }
}

/// The user that a token names, if it is to be believed at that second.
fn check(rules: &TokenRules, proof: TokenProof<'_>, token: &str, now: i64) -> Result<String, Flaw> {
    let (claims, asked) = match proof {
        TokenProof::Signed(keys) => (verified(keys, token)?, false),
        TokenProof::Introspected(said) => (said.claims.clone().ok_or(Flaw::Inactive)?, true),
    };
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    // Who was asked need not say who it is, nor when a token ends that is asked about again.
    let unsaid = |name: &str| asked && !claims.contains_key(name);
    // RFC 7519 §4.1.1
    if text("iss") != Some(&rules.issuer) && !unsaid("iss") {
        return Err(Flaw::Issuer(shown(claims.get("iss"))));
    }
    // RFC 7519 §4.1.3
    if !strings(claims.get("aud")).any(|audience| audience == rules.audience) {
        return Err(Flaw::Audience(shown(claims.get("aud"))));
    }
    check_time(rules, &claims, now, unsaid("exp"))?;
    if let Some(scope) = &rules.scope
        && !scopes(&claims).any(|given| given == scope)
    {
        let given = claims.get("scope").or_else(|| claims.get("scp"));
        return Err(Flaw::Scope(shown(given)));
    }
    let claim = rules.account_claim.as_str();
    let user = text(claim).filter(|user| !user.is_empty());
    let user = user.ok_or_else(|| Flaw::Nameless(claim.to_owned()))?;
    let unverified = claims.get("email_verified").is_some_and(is_false);
    if claim == "email" && unverified {
        return Err(Flaw::Unverified);
    }
    Ok(user.to_owned())
}

/// The claims, if one of the keys has signed them.
fn verified(keys: &KeySet, token: &str) -> Result<Claims, Flaw> {
    let header = decode_header(token).map_err(|_| Flaw::Form)?;
    // RFC 7515 §4.1.11
    if header.crit.is_some() {
        return Err(Flaw::Form);
    }
    // RFC 8725 §3.11
    if header
        .typ
        .as_deref()
        .is_some_and(|purpose| !is_access(purpose))
    {
        return Err(Flaw::Purpose);
    }
    // Only the signature: what it says is looked at here, where the clock is the house's.
    let mut validation = Validation::new(header.alg);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let mut flaw = Flaw::NoKey;
    for key in keys.fitting(header.alg, header.kid.as_deref()) {
        match decode::<Claims>(token, key, &validation) {
            Ok(data) => return Ok(data.claims),
            Err(_) => flaw = Flaw::Signature,
        }
    }
    Err(flaw)
}

/// True for the types that access tokens have; most issuers say no more than that it is a JWT.
// RFC 9068 §4
fn is_access(purpose: &str) -> bool {
    let purpose = purpose.to_ascii_lowercase();
    let purpose = purpose.strip_prefix("application/").unwrap_or(&purpose);
    matches!(purpose, "jwt" | "at+jwt")
}

fn check_time(
    rules: &TokenRules,
    claims: &Claims,
    now: i64,
    may_be_endless: bool,
) -> Result<(), Flaw> {
    let leeway = rules.leeway.as_secs_f64();
    let now = now as f64;
    let moment = |name: &str| claims.get(name).and_then(Value::as_f64);
    // RFC 7519 §4.1.4
    match moment("exp") {
        None if may_be_endless => {}
        None => return Err(Flaw::Endless),
        Some(end) if now >= end + leeway => return Err(Flaw::Expired),
        Some(_) => {}
    }
    // RFC 7519 §4.1.5
    match (claims.get("nbf"), moment("nbf")) {
        (None, _) => Ok(()),
        (Some(_), Some(begin)) if now + leeway >= begin => Ok(()),
        (Some(_), _) => Err(Flaw::Early),
    }
}

/// What a token allows: words in `scope` (RFC 9068 §2.2.3), or in `scp`, as some issuers have it.
fn scopes(claims: &Claims) -> impl Iterator<Item = &str> {
    let given = claims.get("scope").or_else(|| claims.get("scp"));
    strings(given).flat_map(str::split_ascii_whitespace)
}

/// A string, or several in a list.
fn strings(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let listed = value.and_then(Value::as_array).into_iter().flatten();
    value.into_iter().chain(listed).filter_map(Value::as_str)
}

/// `false`, as a word as well: some issuers write all claims as strings.
fn is_false(value: &Value) -> bool {
    value.as_bool() == Some(false) || value.as_str() == Some("false")
}

/// A claim for the log.
fn shown(value: Option<&Value>) -> String {
    let text = value.map_or_else(|| "not said".to_owned(), Value::to_string);
    text.chars().take(SHOWN_LETTERS_MAX).collect()
}
