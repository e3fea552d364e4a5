//! A script at work for one reader: what it is told of the message, and its questions.
//!
//! Not here: the answers (`answers`), what is made of its actions (`filter`).

use std::collections::BTreeMap;
use std::sync::Arc;

use mail::{AccountId, Address, ForwardPath, Recipient};
use sieve::{Circumstances, Envelope, Letter, Outcome as Ended, Run, Script, Spam, Step};

use super::{Arrived, Reader};
use crate::keeper::Keeper;
use crate::{Post, Route, Why, scripts};

/// How often a script is looked for again that was replaced while it was read.
const REPLACED_MAX: usize = 4;

impl Post {
    /// The scripts that a letter for an account passes, one behind the other.
    pub(super) async fn scripts_of(&self, keeper: &Arc<Keeper>) -> Vec<Arc<Script>> {
        let own = self.active_script(keeper).await;
        let site = &self.rules().sieve;
        if !site.has_scripts() {
            return own.into_iter().collect();
        }
        let around = site.before.iter().cloned().chain(own);
        around.chain(site.after.iter().cloned()).collect()
    }

    /// The script that runs for an account, if there is one and it can be run.
    async fn active_script(&self, keeper: &Arc<Keeper>) -> Option<Arc<Script>> {
        for _ in 0..REPLACED_MAX {
            let (name, row) = match Self::glance(keeper, scripts::active) {
                Some(active) => active?,
                // An account that has gone is the commit's affair.
                None => self.look(keeper, scripts::active).await.ok().flatten()?,
            };
            match self.compiled(keeper, &name, row).await {
                Ok(script) => return script,
                Err(error) if error.why() == Why::Nonexistent => {}
                Err(error) => {
                    let account = keeper.account.0;
                    tracing::warn!(account, script = %name, %error, "a script cannot be read");
                    return None;
                }
            }
        }
        None
    }

    /// To which accounts which of the recipients leads: the first where there are several.
    pub(super) fn ways<'a>(&self, arrived: Arrived<'a>) -> BTreeMap<AccountId, &'a Recipient> {
        let mut ways = BTreeMap::new();
        let at = arrived.origin.protocol.at_accounts();
        for recipient in arrived.recipients {
            if let Route::Local(accounts) = self.route_by(&recipient.forward_path, at).0 {
                for account in accounts {
                    ways.entry(account).or_insert(recipient);
                }
            }
        }
        ways
    }

    /// What an account's scripts are told.
    pub(super) fn circumstances(
        &self,
        arrived: Arrived<'_>,
        (account, address): (AccountId, Option<Address>),
        scripts: &[Arc<Script>],
        (letter, envelope): (Letter, Arc<Envelope>),
    ) -> Circumstances {
        let environment = match scripts.iter().any(|script| script.tests_environment()) {
            true => self.environment(arrived, address.as_ref()),
            false => Vec::new(),
        };
        let site = &self.rules().sieve;
        let scored = arrived.spooled.front();
        let scored = scored.filter(|_| site.believes(arrived.origin.peer));
        let spam = site.spam.as_ref().zip(scored);
        let virus = site.virus.as_ref().zip(scored);
        Circumstances {
            spam: spam
                .and_then(|(field, octets)| field.percent(octets))
                .or(arrived.scored)
                .or_else(|| Some(arrived.judged?.of(account)?.percent))
                .map(|percent| Spam { percent }),
            virus: virus.and_then(|(field, octets)| field.value(octets)),
            envelope: Some(envelope),
            addresses: address.into_iter().collect(),
            environment,
            ..Circumstances::new(letter)
        }
    }

    // RFC 5183 §4.1
    fn environment(
        &self,
        arrived: Arrived<'_>,
        address: Option<&Address>,
    ) -> Vec<(String, String)> {
        let host = self.rules().host.to_string();
        let domain = address.map(|address| address.host.to_string());
        let items = [
            ("domain", domain.unwrap_or_else(|| host.clone())),
            ("host", host),
            ("location", "MDA".to_owned()),
            ("name", "Caramel".to_owned()),
            ("phase", "during".to_owned()),
            ("remote-ip", arrived.origin.peer.to_canonical().to_string()),
        ];
        items.map(|(name, value)| (name.to_owned(), value)).into()
    }

    /// Runs scripts to their end.
    pub(crate) async fn run_within(&self, keeper: &Arc<Keeper>, mut run: Run) -> Ended {
        loop {
            match run.step() {
                Step::Done(ended) => return ended,
                Step::Ask(ask) => {
                    let answer = self.answer_script(keeper, ask).await;
                    run.answer(answer);
                }
            }
        }
    }
}

/// The one recipient, where that is the reader's own address, as it mostly is.
pub(super) fn only_way<'a>(
    recipients: &'a [Recipient],
    own: Option<&Address>,
) -> Option<&'a Recipient> {
    let [recipient] = recipients else {
        return None;
    };
    let is_own = own.is_some() && recipient.forward_path.address() == own;
    is_own.then_some(recipient)
}

/// The envelope as a reader's script sees it; `way` is the recipient that leads to them, `own`
/// their own address.
pub(super) fn envelope(
    arrived: Arrived<'_>,
    reader: &Reader,
    way: Option<&Recipient>,
    own: Option<&Address>,
) -> Envelope {
    let Arrived { origin, sender, .. } = arrived;
    let auth = origin.account.as_ref().map(|one| one.address().to_string());
    if let Some(onward) = &reader.by {
        return Envelope {
            reverse_path: onward.reverse_path.clone(),
            recipient: onward.recipient.clone(),
            ret: onward.ret,
            envid: onward.envid.clone(),
            auth,
            by: None,
        };
    }
    // Whoever is reached by an alias that leads elsewhere as well is named by the own address.
    let own = || Recipient {
        forward_path: match own {
            Some(address) => ForwardPath::Address(address.clone()),
            None => ForwardPath::Postmaster,
        },
        notify: None,
        orcpt: None,
    };
    Envelope {
        reverse_path: sender.reverse_path.clone(),
        recipient: way.cloned().unwrap_or_else(own),
        ret: sender.ret,
        envid: sender.envid.clone(),
        auth,
        by: None,
    }
}
