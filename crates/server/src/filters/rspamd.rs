//! rspamd, asked by HTTP about a letter at its end.
//!
//! Not here: what is asked and what the answer means (the room `milter`), HTTP (`net`).

use std::net::IpAddr;
use std::time::Duration;

use milter::{Letter, RSPAMD_ANSWER_OCTETS_MAX, RSPAMD_PATH, RspamdAnswer, RspamdAsk, Verdict};
use net::HttpPlace;
use wire::sasl::Secret;

use super::{Facts, Shown, Trouble};

/// A server that is asked as rspamd is.
#[derive(Clone, Debug)]
pub struct RspamdSettings {
    /// Where it answers.
    pub place: HttpPlace,
    /// The password that it wants, if it wants one.
    pub password: Option<Secret>,
}

/// What is known of a letter's way when it is shown.
pub(super) struct Way<'a> {
    pub(super) client: Option<IpAddr>,
    pub(super) helo: &'a str,
    pub(super) facts: &'a Facts,
    /// Paths without brackets.
    pub(super) recipients: &'a [String],
}

impl RspamdSettings {
    /// Shows it a letter: what it makes of it, and what is to be done.
    pub(super) async fn show(
        &self,
        letter: &Letter,
        way: &Way<'_>,
        limit: Duration,
    ) -> Result<(Shown, Verdict), Trouble> {
        let known = |name| way.facts.known(name);
        let ask = RspamdAsk {
            client: way.client,
            helo: way.helo,
            sender: known("{mail_addr}"),
            recipients: way.recipients,
            user: known("{auth_authen}"),
            queue_id: known("i"),
            host: known("j"),
            tls_version: known("{tls_version}"),
            tls_cipher: known("{cipher}"),
            password: self.password.as_ref().map_or("", |secret| &secret.0),
        };
        let (fields, octets) = (ask.fields(), letter.octets().into());
        let bounds = (RSPAMD_ANSWER_OCTETS_MAX, limit);
        let said = self
            .place
            .post(RSPAMD_PATH, &fields, octets, bounds)
            .await?;
        let answer = RspamdAnswer::read(&said)?;
        let shown = Shown {
            asks_back: answer.asks_back,
            percent: answer.percent(),
            says: Some(answer.note()),
            changes: answer.changes,
            ..Shown::default()
        };
        Ok((shown, answer.verdict))
    }
}
