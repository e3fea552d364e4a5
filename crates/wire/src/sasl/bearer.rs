//! OAUTHBEARER and XOAUTH2: a token instead of a password (RFC 7628, RFC 6750).
//!
//! XOAUTH2 is the older form, never specified and much spoken: `user=` stands for the header, the
//! rest is the same. Not here: what a token means (the house's).

use std::fmt::Write as _;

use super::scram::{Fault, saslname};
use super::{Mechanism, Secret};

/// Octets a token may have.
///
/// With what stands beside it, the response fits into a line of AUTH (RFC 4954 §4: 12288 octets
/// of base64).
pub const TOKEN_OCTETS_MAX: usize = 8192;

/// Octets a decoded response with a token may have.
pub(super) const RESPONSE_OCTETS_MAX: usize = TOKEN_OCTETS_MAX + 1000;

/// What stands between the pairs.
const KVSEP: char = '\u{1}';

/// What a client sends after an error, so that the exchange may end.
// RFC 7628 §3.2.3
pub(super) const DUMMY: &str = "\u{1}";

/// What a client says: `client-resp` of RFC 7628 §3.1, or XOAUTH2's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientResponse {
    /// Whom to log in as, where that is said; XOAUTH2 has to say it.
    pub authorization: Option<String>,
    /// The name under which the client knows the server; not in XOAUTH2.
    pub host: Option<String>,
    /// The port that the client has connected to; not in XOAUTH2.
    pub port: Option<u16>,
    /// The token; none where the client only asks what is wanted, or brings what is no bearer
    /// token.
    pub token: Option<Secret>,
}

/// Why a token is of no use: `status` of RFC 7628 §3.2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenStatus {
    /// It is expired, malformed, by somebody else, or for somebody else (RFC 6750 §3.1).
    InvalidToken,
    /// It is right, and does not reach as far as this (RFC 6750 §3.1).
    InsufficientScope,
}

/// What a client is told of a token that is of no use, and where to get a better one (RFC 7628
/// §3.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenError {
    /// Why.
    pub status: TokenStatus,
    /// The scope a token has to have, if any.
    pub scope: Option<String>,
    /// The URL of a document that tells where tokens are issued.
    pub openid_configuration: Option<String>,
}

impl TokenStatus {
    /// Its registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
        }
    }
}

impl TokenError {
    /// Writes it as JSON.
    // RFC 7628 §3.2.2
    pub(super) fn write(&self) -> Vec<u8> {
        let mut text = format!("{{\"status\":\"{}\"", self.status.name());
        let more = [
            ("scope", &self.scope),
            ("openid-configuration", &self.openid_configuration),
        ];
        for (name, value) in more {
            if let Some(value) = value {
                let _written = write!(text, ",\"{name}\":{}", JsonString(value));
            }
        }
        text.push('}');
        text.into_bytes()
    }
}

/// A string as JSON has it (RFC 8259 §7).
struct JsonString<'a>(&'a str);

impl std::fmt::Display for JsonString<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_char('"')?;
        for letter in self.0.chars() {
            match letter {
                '"' | '\\' => write!(f, "\\{letter}")?,
                letter if letter < ' ' => write!(f, "\\u{:04x}", u32::from(letter))?,
                letter => f.write_char(letter)?,
            }
        }
        f.write_char('"')
    }
}

impl ClientResponse {
    /// Writes it in the grammar of OAUTHBEARER, or of XOAUTH2 if that is the mechanism.
    pub(crate) fn write(&self, mechanism: Mechanism) -> String {
        let user = self.authorization.as_deref();
        let mut text = match (mechanism, user) {
            (Mechanism::Xoauth2, user) => format!("user={}", user.unwrap_or_default()),
            (_, None) => "n,,".to_owned(),
            (_, Some(user)) => {
                let user = user.replace('=', "=3D").replace(',', "=2C");
                format!("n,a={user},")
            }
        };
        text.push(KVSEP);
        if mechanism != Mechanism::Xoauth2 {
            if let Some(host) = &self.host {
                let _written = write!(text, "host={host}{KVSEP}");
            }
            if let Some(port) = self.port {
                let _written = write!(text, "port={port}{KVSEP}");
            }
        }
        let _written = match &self.token {
            Some(Secret(token)) => write!(text, "auth=Bearer {token}{KVSEP}{KVSEP}"),
            None => write!(text, "auth={KVSEP}{KVSEP}"),
        };
        text
    }

    /// Reads what an exchange would take.
    pub(crate) fn read(mechanism: Mechanism, response: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(response).ok()?;
        let fits = text.len() <= RESPONSE_OCTETS_MAX;
        fits.then(|| Self::parse(mechanism, text).ok()).flatten()
    }

    /// Reads it in the grammar of the mechanism.
    pub(super) fn parse(mechanism: Mechanism, text: &str) -> Result<Self, Fault> {
        match mechanism {
            Mechanism::Xoauth2 => Self::xoauth2(text),
            _ => Self::oauthbearer(text),
        }
    }

    /// `gs2-header kvsep *kvpair kvsep`.
    // RFC 7628 §3.1
    fn oauthbearer(text: &str) -> Result<Self, Fault> {
        let (flag, rest) = text.split_once(',').ok_or(Fault::Malformed)?;
        let (authzid, rest) = rest.split_once(',').ok_or(Fault::Malformed)?;
        match flag {
            "n" | "y" => {}
            flag if flag.starts_with("p=") => {
                return Err(Fault::Refused("channel binding not supported"));
            }
            _ => return Err(Fault::Malformed),
        }
        let mut response = Self {
            authorization: match authzid.strip_prefix("a=") {
                Some(name) => Some(saslname(name)?),
                None if authzid.is_empty() => None,
                None => return Err(Fault::Malformed),
            },
            ..Self::default()
        };
        let mut auth = None;
        let pairs = rest.strip_prefix(KVSEP).ok_or(Fault::Malformed)?;
        for (key, value) in pairs_of(pairs)? {
            let known = match key {
                "auth" => auth.replace(value).is_some(),
                "host" => response.host.replace(value.to_owned()).is_some(),
                "port" => response.port.replace(port(value)?).is_some(),
                // RFC 7628 §3.1
                _ => false,
            };
            if known || !value.bytes().all(is_value) {
                return Err(Fault::Malformed);
            }
        }
        response.token = token(auth.ok_or(Fault::Malformed)?)?;
        Ok(response)
    }

    /// `user=`, `auth=` and nothing else.
    fn xoauth2(text: &str) -> Result<Self, Fault> {
        let pairs = pairs_of(text)?;
        let [("user", user), ("auth", auth)] = pairs.as_slice() else {
            return Err(Fault::Malformed);
        };
        if user.is_empty() || user.contains('\0') {
            return Err(Fault::Malformed);
        }
        Ok(Self {
            authorization: Some((*user).to_owned()),
            token: token(auth)?,
            ..Self::default()
        })
    }
}

/// `*kvpair kvsep`.
fn pairs_of(text: &str) -> Result<Vec<(&str, &str)>, Fault> {
    let pairs = text.strip_suffix(KVSEP).ok_or(Fault::Malformed)?;
    if !pairs.is_empty() && !pairs.ends_with(KVSEP) {
        return Err(Fault::Malformed);
    }
    pairs
        .split_terminator(KVSEP)
        .map(|pair| {
            let (key, value) = pair.split_once('=').ok_or(Fault::Malformed)?;
            let letters = !key.is_empty() && key.bytes().all(|octet| octet.is_ascii_alphabetic());
            letters.then_some((key, value)).ok_or(Fault::Malformed)
        })
        .collect()
}

const fn is_value(octet: u8) -> bool {
    octet.is_ascii_graphic() || matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}

/// A positive number without leading zeros.
fn port(text: &str) -> Result<u16, Fault> {
    let port: u16 = text.parse().map_err(|_| Fault::Malformed)?;
    let plain = port > 0 && port.to_string() == text;
    plain.then_some(port).ok_or(Fault::Malformed)
}

/// What would stand in HTTP's field Authorization: `"Bearer" 1*SP b64token`.
// RFC 6750 §2.1
fn token(auth: &str) -> Result<Option<Secret>, Fault> {
    let Some((scheme, token)) = auth.split_once(' ') else {
        return Ok(None);
    };
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Ok(None);
    }
    let token = token.trim_start_matches(' ');
    let letters = token.trim_end_matches('=').as_bytes();
    let is_letter = |octet: &u8| octet.is_ascii_alphanumeric() || b"-._~+/".contains(octet);
    if letters.is_empty() || !letters.iter().all(is_letter) || token.len() > TOKEN_OCTETS_MAX {
        return Err(Fault::Malformed);
    }
    Ok(Some(Secret(token.to_owned())))
}

#[cfg(test)]
mod tests;
