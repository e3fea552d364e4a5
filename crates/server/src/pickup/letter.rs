//! The form of a letter that waits in the local spool: one line of JSON, and the message behind it,
//! its lines ended by CRLF.
//!
//! ```text
//! {"caramel":1,"from":"ada@example.org","to":["root","bob@example.net"],"name":"Ada"}
//! Subject: Tea
//!
//! At five?
//! ```
//!
//! Addresses stand as they were given: what they lack is added where they are read, and what is no
//! address comes back to whoever handed it in.
//!
//! RFC 3461 §4 (`notify`, `ret`, `envid`).

use mail::{Notify, Ret};
use serde::{Deserialize, Serialize};

/// The version of the form.
const FORM: u32 = 1;
/// Octets the first line may have.
pub(crate) const LINE_OCTETS_MAX: usize = 1024 * 1024;

/// An envelope as it was handed in at this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalEnvelope {
    /// The version of the form.
    pub caramel: u32,
    /// Who hears of failures: an address, nothing for nobody; whoever handed it in, if it does not
    /// say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Whom it is for: addresses, or names of people here.
    pub to: Vec<String>,
    /// The name in a From field, where the message has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What is to be reported, in the words of NOTIFY.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<String>,
    /// How much a report returns, in the words of RET.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ret: Option<String>,
    /// The sender's name for the envelope, decoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envid: Option<String>,
    /// True if it comes through a gateway: its header is left as it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gateway: bool,
    /// True if another mailer delivers it to people here: it is nobody's here, and for nobody
    /// elsewhere.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub delivery: bool,
}

impl LocalEnvelope {
    /// An envelope for these recipients.
    #[must_use]
    pub fn new(to: Vec<String>) -> Self {
        Self {
            caramel: FORM,
            to,
            ..Self::default()
        }
    }

    /// The same, with what is to be reported.
    #[must_use]
    pub fn reporting(self, notify: Option<Notify>, ret: Option<Ret>) -> Self {
        let notify = notify.map(|notify| match notify {
            Notify::Never => "NEVER".to_owned(),
            Notify::On {
                success,
                failure,
                delay,
            } => [("SUCCESS", success), ("FAILURE", failure), ("DELAY", delay)]
                .iter()
                .filter_map(|(word, is_on)| is_on.then_some(*word))
                .collect::<Vec<_>>()
                .join(","),
        });
        let ret = ret.map(|ret| match ret {
            Ret::Full => "FULL".to_owned(),
            Ret::Headers => "HDRS".to_owned(),
        });
        Self {
            notify,
            ret,
            ..self
        }
    }

    /// What is to be reported; nothing for words that are none of NOTIFY.
    // RFC 3461 §4.1
    pub(crate) fn reported(&self) -> Option<Notify> {
        notify(self.notify.as_deref()?)
    }

    /// How much a report returns; nothing for words that are none of RET.
    // RFC 3461 §4.3
    pub(crate) fn returned(&self) -> Option<Ret> {
        match self.ret.as_deref()? {
            "FULL" => Some(Ret::Full),
            "HDRS" => Some(Ret::Headers),
            _ => None,
        }
    }

    /// The first line.
    pub(crate) fn line(&self) -> String {
        let line = serde_json::to_string(self).unwrap_or_default();
        line + "\n"
    }

    /// Reads a first line.
    pub(crate) fn read(line: &[u8]) -> Result<Self, String> {
        let read: Self = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        match read.caramel {
            FORM => Ok(read),
            other => Err(format!("it has the form {other}, which is not known here")),
        }
    }
}

/// Reads a list of NOTIFY's words, in any case; none of them may stand beside `never`.
// RFC 3461 §4.1
#[must_use]
pub fn notify(words: &str) -> Option<Notify> {
    if words.eq_ignore_ascii_case("never") {
        return Some(Notify::Never);
    }
    let (mut success, mut failure, mut delay) = (false, false, false);
    for word in words.split(',') {
        match word.trim().to_ascii_lowercase().as_str() {
            "success" => success = true,
            "failure" => failure = true,
            "delay" => delay = true,
            _ => return None,
        }
    }
    Some(Notify::On {
        success,
        failure,
        delay,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envelopes_come_back() {
        let plain = LocalEnvelope::new(vec!["root".to_owned()]);
        assert_eq!(plain.line(), "{\"caramel\":1,\"to\":[\"root\"]}\n");
        let on = Notify::On {
            success: true,
            failure: false,
            delay: true,
        };
        let full = LocalEnvelope {
            from: Some(String::new()),
            name: Some("Ada \"A\" \u{fc}".to_owned()),
            envid: Some("a b".to_owned()),
            gateway: true,
            delivery: true,
            ..plain.clone().reporting(Some(on), Some(Ret::Headers))
        };
        for envelope in [plain, full.clone()] {
            assert_eq!(
                LocalEnvelope::read(envelope.line().as_bytes()),
                Ok(envelope)
            );
        }
        assert_eq!(
            (full.reported(), full.returned()),
            (Some(on), Some(Ret::Headers))
        );
    }

    #[test]
    fn what_is_none_is_told() {
        for line in [
            "",
            "{}",
            "{\"caramel\":1}",
            "{\"caramel\":2,\"to\":[]}",
            "[]",
        ] {
            assert!(LocalEnvelope::read(line.as_bytes()).is_err(), "{line}");
        }
        let more = "{\"caramel\":1,\"to\":[],\"later\":1}";
        assert!(LocalEnvelope::read(more.as_bytes()).is_err());
    }

    #[test]
    fn words_of_notify() {
        let on = |success, failure, delay| {
            Some(Notify::On {
                success,
                failure,
                delay,
            })
        };
        for (words, expected) in [
            ("never", Some(Notify::Never)),
            ("success", on(true, false, false)),
            ("FAILURE,delay", on(false, true, true)),
            ("never,delay", None),
            ("", None),
            ("always", None),
        ] {
            assert_eq!(notify(words), expected, "{words}");
        }
    }
}
