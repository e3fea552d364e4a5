//! Letters that scripts make: answers of who is away, and notices.
//!
//! They are written when the script has run, signed as if their owner had sent them, and leave in
//! the step that files the message. Nobody writes in a name that is not the owner's.
//!
//! Not here: who gets an answer at all (`sieve`), that there is one in a period only (`incoming`,
//! in the step itself).
//!
//! RFC 5230 §4.2 and §5, RFC 5436 §2.7 (how they are sent), RFC 8580 (copies).

use std::sync::Arc;

use bytes::Bytes;
use mail::{
    AccountId, Address, BodyType, ForwardPath, JourneyId, Notify, Recipient, ReversePath, TlsWish,
};
use sieve::{Notice, Reply};
use store::Hint;

use super::{Arrived, Filing, Plans, Remember, answers};
use crate::incoming::{INBOX, Letter, LetterKind, Outgoing};
use crate::keeper::Keeper;
use crate::ledger::Ledger;
use crate::queue::{Entry, Waiting, header_is_ascii, rank};
use crate::signing::Signer;
use crate::spool::Spooled;
use crate::{Outcome, Post, Route};

/// What tells answers from identifiers that scripts remember themselves.
const ANSWERED: &str = "\0vacation";

/// A letter that a script makes.
#[derive(Debug)]
pub(super) struct Made {
    /// The command that makes it.
    deed: &'static str,
    /// Made once for a while, if this says so.
    once: Option<Remember>,
    octets: Vec<u8>,
    reverse_path: ReversePath,
    to: Vec<Address>,
    /// Who is told that it cannot be delivered.
    notify: Option<Notify>,
    /// Where a copy is filed.
    copy: Option<Filing>,
}

impl Post {
    /// The answer of who is away, unless the sender got it not long ago.
    pub(super) async fn answer(
        &self,
        (keeper, journey): (&Arc<Keeper>, JourneyId),
        mut reply: Reply,
    ) -> Option<Made> {
        let owner = self.inner.directory.address_of(keeper.account)?;
        // By whatever name, nobody answers themselves.
        if self.is_of(keeper.account, &reply.to) {
            return None;
        }
        reply.written_by(&owner, |address| self.is_of(keeper.account, address));
        let now = self.inner.outside.now();
        // RFC 5230 §4.2
        let id = format!("{}\0{}", reply.to.to_string().to_lowercase(), reply.handle);
        let key = answers::seen_key(ANSWERED, &id);
        let is_remembered = |ledger: &Ledger| {
            let until = ledger.seen.get(&key);
            until.is_some_and(|until| *until > now.seconds)
        };
        let once = (reply.seconds > 0).then_some(Remember {
            key,
            seconds: reply.seconds,
        });
        if once.is_some() && self.peek(keeper, is_remembered).await.unwrap_or(false) {
            tracing::debug!(%journey, account = keeper.account.0, "answered already");
            return None;
        }
        let mark = self.mark(keeper.account, journey, "vacation");
        let octets = self.signed(reply.message(now, &mark), journey)?;
        Some(Made {
            deed: "vacation",
            once,
            octets,
            // RFC 5230 §5.1
            reverse_path: ReversePath::Null,
            to: vec![reply.to],
            notify: Some(Notify::Never),
            copy: reply.copy.map(|copy| Filing::of(copy, None)),
        })
    }

    /// A notice; `number` tells it from others of one script.
    pub(super) fn notice(
        &self,
        (account, journey): (AccountId, JourneyId),
        mut notice: Notice,
        number: usize,
    ) -> Option<Made> {
        let owner = self.inner.directory.address_of(account)?;
        notice.written_by(&owner, |address| self.is_of(account, address));
        let now = self.inner.outside.now();
        let mark = self.mark(account, journey, &format!("notice{number}"));
        let octets = self.signed(notice.message(now, &mark), journey)?;
        Some(Made {
            deed: "notify",
            once: None,
            octets,
            // RFC 5436 §2.7
            reverse_path: match notice.sender {
                Some(sender) => ReversePath::Address(sender),
                None => ReversePath::Null,
            },
            to: notice.recipients,
            notify: None,
            copy: notice.copy.map(|copy| Filing::of(copy, None)),
        })
    }

    fn mark(&self, account: AccountId, journey: JourneyId, name: &str) -> String {
        let host = self.rules().host.to_ascii();
        format!("{journey}.{}.{name}@{host}", account.0)
    }

    /// A letter with its author's signatures, its last line ended.
    fn signed(&self, mut octets: Vec<u8>, journey: JourneyId) -> Option<Vec<u8>> {
        if !octets.ends_with(b"\r\n") {
            octets.extend_from_slice(b"\r\n");
        }
        let now = self.inner.outside.now().seconds;
        let signer = Signer::begin(&self.rules().keys, &octets, now);
        let fields: Outcome<String> = signer.map_or_else(|| Ok(String::new()), Signer::finish);
        match fields {
            Ok(fields) => Some([fields.into_bytes(), octets].concat()),
            Err(error) => {
                tracing::error!(%journey, %error, "a script's letter is not sent");
                None
            }
        }
    }

    /// A letter on its ways: into mailboxes here, and to other hosts. None where there are none.
    fn outgoing(&self, account: AccountId, made: &Made, journey: JourneyId) -> Option<Outgoing> {
        let returned = format!("Return-Path: {}\r\n", made.reverse_path.written());
        let here = Spooled::of([returned.as_bytes(), &made.octets].concat());
        let there = Spooled::of(made.octets.clone());
        let (mut letters, mut entries) = (Vec::new(), Vec::new());
        for to in &made.to {
            let path = self.meant_by(&ForwardPath::Address(to.clone()));
            let (accounts, addresses) = match self.route(&path) {
                Route::Local(accounts) => (accounts, Vec::new()),
                Route::Forwarded {
                    accounts,
                    addresses,
                } => (accounts, addresses),
                Route::Elsewhere | Route::Relayed { .. } => {
                    (Vec::new(), path.address().cloned().into_iter().collect())
                }
                Route::Nowhere(_) => continue,
            };
            for address in addresses {
                match self.may_leave(account) {
                    Ok(()) => {
                        let path = ForwardPath::Address(address);
                        entries.push(self.made_entry(made, &there, path, journey));
                    }
                    Err(trouble) => {
                        let (account, deed) = (account.0, made.deed);
                        tracing::warn!(%journey, account, deed, trouble, "not sent");
                    }
                }
            }
            if !accounts.is_empty() {
                letters.push(Letter {
                    kind: LetterKind::Success,
                    ..Letter::of(INBOX, accounts.into_iter().collect(), here.clone())
                });
            }
        }
        if letters.is_empty() && entries.is_empty() {
            return None;
        }
        Some(Outgoing {
            account,
            deed: made.deed,
            once: made.once,
            body: (!entries.is_empty()).then(|| there.staged.clone()),
            letters,
            entries,
            copy: made.copy.clone().map(|copy| (copy, there)),
        })
    }

    fn made_entry(
        &self,
        made: &Made,
        spooled: &Spooled,
        path: ForwardPath,
        journey: JourneyId,
    ) -> Entry {
        let addresses = [made.reverse_path.address(), path.address()];
        let foreign = addresses.into_iter().flatten().any(Address::needs_utf8);
        let now = self.inner.outside.now();
        Entry {
            journey,
            blob: spooled.staged.blob,
            hint: Hint::NONE,
            octets: spooled.staged.len,
            skip: 0,
            arrived: now,
            reverse_path: made.reverse_path.clone(),
            body: match spooled.is_ascii {
                true => BodyType::SevenBit,
                false => BodyType::EightBitMime,
            },
            smtputf8: foreign || !header_is_ascii(&made.octets),
            ret: None,
            envid: None,
            tls: TlsWish::Usual,
            destination: self.destination(&path),
            due: Some(now.seconds),
            attempts: 0,
            warned: false,
            recipients: vec![Waiting {
                recipient: Recipient {
                    forward_path: path,
                    notify: made.notify,
                    orcpt: None,
                },
                said: None,
            }],
            front: Bytes::new(),
            rank: rank(&made.reverse_path, &made.octets),
        }
    }
}

impl Plans {
    /// What scripts send besides the message itself.
    pub(crate) fn outgoing(&self, house: &Post, arrived: Arrived<'_>) -> Vec<Outgoing> {
        let mut all = Vec::new();
        for (account, plan) in &self.plans {
            for made in &plan.made {
                all.extend(house.outgoing(*account, made, arrived.journey));
            }
        }
        all
    }
}
