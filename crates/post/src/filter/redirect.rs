//! A message that scripts send on: to people here in the same step, to others by the queue.
//!
//! What cannot be sent on is kept where it is: nothing is lost because an address leads nowhere, or
//! in a circle, or because the owner has sent too much. Here the ways are known, and none may lead
//! back to where it began; a message that comes back from elsewhere tells by its `Received` fields
//! that it was here.
//!
//! Not here: where an address leads (`route`), how letters leave (`queue`).
//!
//! RFC 5228 §4.2 and §10 (redirect), RFC 5321 §6.3 (loops), RFC 6009 §6 (reports).

use bytes::Bytes;
use mail::{AccountId, Address, BodyType, ForwardPath, Recipient, Ret, ReversePath};
use message::{Header, Received};
use sieve::{Envelope, Redirect, Target};
use store::Hint;

use super::{Arrived, Plans, Reader};
use crate::incoming::{INBOX, original, without_success};
use crate::queue::{self, Entry, Waiting};
use crate::site::Listing;
use crate::spool::Spooled;
use crate::{Elsewhere, Post, Route};

/// How often one message is sent on from one account here to the next.
const HOPS_MAX: usize = 8;
/// Accounts here that one message comes to because it was sent on.
const SENT_ON_MAX: usize = 100;
/// How often a message may have been here before, whoever it was for.
const PASSES_MAX: usize = 4;
/// Addresses of one list that a message is sent on to.
const LIST_ADDRESSES_MAX: usize = 100;
/// `Received` fields that are looked at.
const RECEIVED_FIELDS_MAX: usize = 1000;

/// A message that is sent on to one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Onward {
    /// Who hears of failures.
    pub(super) reverse_path: ReversePath,
    pub(super) recipient: Recipient,
    pub(super) ret: Option<Ret>,
    pub(super) envid: Option<String>,
    /// Which of the changed messages it is, where it is one.
    pub(super) version: Option<usize>,
}

/// Where redirections lead.
#[derive(Debug, Default)]
struct Found {
    elsewhere: Vec<Onward>,
    /// Who would not get it otherwise.
    here: Vec<Reader>,
    /// Everybody here.
    ways: Vec<AccountId>,
}

/// To whom a script sends a message on: at other hosts, and here.
type SentOn = (Vec<Onward>, Vec<Reader>);

impl Post {
    /// Finds out where a script sends the message; nothing is changed where one of the ways cannot
    /// be gone.
    ///
    /// # Errors
    /// In words for the log.
    pub(super) async fn send_on(
        &self,
        plans: &mut Plans,
        arrived: Arrived<'_>,
        (reader, envelope): (&Reader, &Envelope),
        redirects: Vec<(Redirect, Option<Bytes>)>,
    ) -> Result<SentOn, &'static str> {
        if redirects.is_empty() && !plans.is_crowded {
            return Ok(SentOn::default());
        }
        self.was_not_here(arrived.spooled, reader.account)?;
        let mut found = Found::default();
        for (redirect, changed) in redirects {
            let version = plans.version(reader, changed);
            for target in self.targets(&redirect.target)? {
                let onward = self.onward((reader.account, envelope), &redirect, &target, version);
                self.find(plans, (arrived, reader), &onward, &mut found)?;
            }
        }
        let Found {
            elsewhere,
            here,
            ways,
        } = found;
        if std::mem::take(&mut plans.is_crowded) {
            return Err("scripts change it into too many others");
        }
        self.have_room(plans, arrived, reader, &here).await?;
        plans.readers.extend(here.iter().map(|one| one.account));
        plans.ways.entry(reader.account).or_default().extend(ways);
        let (journey, account) = (arrived.journey, reader.account.0);
        let all = elsewhere.iter();
        for onward in all.chain(here.iter().filter_map(|one| one.by.as_ref())) {
            let to = &onward.recipient.forward_path;
            tracing::info!(%journey, account, %to, "sent on by a script");
        }
        Ok((elsewhere, here))
    }

    /// The addresses that a script means.
    // RFC 6134 §2.3
    fn targets(&self, target: &Target) -> Result<Vec<Address>, &'static str> {
        let list = match target {
            Target::Address(address) => return Ok(vec![address.clone()]),
            Target::List(list) => list,
        };
        let addresses = match self.rules().sieve.list(list) {
            None => return Err("there is no such list"),
            Some(Listing::Own) => return Err("it would come back"),
            Some(Listing::Empty) => return Err("the list has no addresses"),
            Some(Listing::Of(list)) => list
                .addresses()
                .ok_or("not all that is on the list is an address")?,
        };
        // What goes to nobody is not gone.
        if addresses.is_empty() {
            return Err("the list has no addresses");
        }
        match addresses.len() > LIST_ADDRESSES_MAX {
            true => Err("the list has too many addresses"),
            false => Ok(addresses),
        }
    }

    /// Finds out to whom an address leads.
    fn find(
        &self,
        plans: &mut Plans,
        (arrived, reader): (Arrived<'_>, &Reader),
        onward: &Onward,
        found: &mut Found,
    ) -> Result<(), &'static str> {
        let path = &onward.recipient.forward_path;
        let (accounts, addresses) = match self.route(path) {
            Route::Local(accounts) => (accounts, Vec::new()),
            Route::Forwarded {
                accounts,
                addresses,
            } => (accounts, addresses),
            Route::Elsewhere | Route::Relayed { .. } => {
                (Vec::new(), path.address().cloned().into_iter().collect())
            }
            Route::Nowhere(_) => return Err("there is no such user here"),
        };
        for address in addresses {
            self.may_leave(reader.account)?;
            let recipient = Recipient {
                forward_path: ForwardPath::Address(address),
                ..onward.recipient.clone()
            };
            // Nobody gets a letter twice because two ways lead to the same address.
            let path = &recipient.forward_path;
            let mut relayed = arrived.relayed.iter();
            if onward.version.is_some() || !relayed.any(|one| one.forward_path == *path) {
                found.elsewhere.push(Onward {
                    recipient,
                    version: plans.travelling(onward.version),
                    ..onward.clone()
                });
            }
        }
        for account in accounts {
            if plans.leads(account, reader.account) {
                return Err("it would come back");
            }
            found.ways.push(account);
            let known = found.here.iter().any(|one| one.account == account);
            if !known && !plans.readers.contains(&account) {
                found.here.push(Reader {
                    account,
                    by: Some(onward.clone()),
                    hops: reader.hops + 1,
                });
            }
        }
        Ok(())
    }

    /// How a message is sent on to an address.
    fn onward(
        &self,
        (account, envelope): (AccountId, &Envelope),
        redirect: &Redirect,
        target: &Address,
        version: Option<usize>,
    ) -> Onward {
        let asks = redirect.notify.is_some() || redirect.ret.is_some();
        let owner = self.inner.directory.address_of(account);
        // RFC 6009 §6.1
        let own = owner.filter(|_| asks && envelope.reverse_path != ReversePath::Null);
        let way = &envelope.recipient;
        let notify = match redirect.notify {
            // What was asked for is told to whoever asked for it.
            None if own.is_some() => None,
            // That it is here was told already.
            None => without_success(way.notify),
            asked => asked,
        };
        let (ret, envid) = match &own {
            Some(_) => (redirect.ret, None),
            None => (redirect.ret.or(envelope.ret), envelope.envid.clone()),
        };
        Onward {
            // RFC 5228 §4.2
            reverse_path: match own {
                Some(own) => ReversePath::Address(own),
                None => envelope.reverse_path.clone(),
            },
            recipient: Recipient {
                forward_path: ForwardPath::Address(target.clone()),
                notify,
                orcpt: way.orcpt.clone().or_else(|| original(&way.forward_path)),
            },
            ret,
            envid,
            version,
        }
    }

    /// Whether an account's letter may go to another host now.
    pub(super) fn may_leave(&self, account: AccountId) -> Result<(), &'static str> {
        if self.rules().elsewhere != Elsewhere::Relay {
            return Err("mail for other hosts is not sent from here");
        }
        self.queue_has_room()
            .map_err(|_| "too many letters wait in the queue")?;
        let address = self.inner.directory.address_of(account);
        self.allow_send(Some(account), address.as_ref())
            .map_err(|_| "its owner has sent to too many lately")
    }

    /// Whether those here have room for it, and are not too many.
    async fn have_room(
        &self,
        plans: &Plans,
        arrived: Arrived<'_>,
        reader: &Reader,
        here: &[Reader],
    ) -> Result<(), &'static str> {
        let sent_on = plans.ways.values().flatten().count() + here.len();
        if !here.is_empty() && (reader.hops >= HOPS_MAX || sent_on > SENT_ON_MAX) {
            return Err("it was sent on too often");
        }
        for one in here {
            let octets = Some(arrived.spooled.staged.len);
            let room = self.has_room(one.account, INBOX, octets).await;
            room.map_err(|_| "its reader has no room for it")?;
        }
        Ok(())
    }

    /// Refuses a message that was here before for the same account, or all too often.
    // RFC 5321 §6.3
    fn was_not_here(&self, message: &Spooled, account: AccountId) -> Result<(), &'static str> {
        let octets = message.front().map(Bytes::as_ref).unwrap_or_default();
        let host = self.rules().host.to_ascii();
        let fields = Header::parse(octets).filter(|field| field.is("Received"));
        // The first is the one that it got just now.
        let before = fields.skip(1).take(RECEIVED_FIELDS_MAX);
        let mut passes = 0;
        for field in before {
            let received = Received::parse(field.value);
            let ours = |by: &[u8]| by.eq_ignore_ascii_case(host.as_bytes());
            if !received.by.is_some_and(ours) {
                continue;
            }
            passes += 1;
            let path = received
                .recipient
                .and_then(|path| std::str::from_utf8(path).ok());
            let path = path.and_then(|path| Address::parse(path).ok());
            let leads_here = path.is_some_and(|path| self.brings(&path, account));
            if leads_here || passes > PASSES_MAX {
                return Err("it was here before, and goes round in a loop");
            }
        }
        Ok(())
    }

    /// True if a letter to this address came to the account: it has it, or somebody's `.forward`
    /// says so.
    fn brings(&self, address: &Address, account: AccountId) -> bool {
        let path = ForwardPath::Address(address.clone());
        self.is_of(account, address) || self.route(&path).reaches(account)
    }

    /// The entry of the queue for a message that is sent on by an account's script.
    pub(super) fn onward_entry(
        &self,
        account: AccountId,
        onward: &Onward,
        arrived: Arrived<'_>,
        changed: &[Spooled],
    ) -> Entry {
        let now = self.inner.outside.now();
        let version = onward.version.and_then(|at| changed.get(at));
        let message = version.unwrap_or(arrived.spooled);
        let front = message.front().map(Bytes::as_ref).unwrap_or_default();
        let path = &onward.recipient.forward_path;
        let addresses = [onward.reverse_path.address(), path.address()];
        let foreign = addresses.into_iter().flatten().any(Address::needs_utf8);
        let changed = version.and_then(|version| version.staged.bytes.as_deref());
        let owner = self.inner.directory.address_of(account);
        let domains: Vec<String> = owner.iter().map(|one| one.host.to_ascii()).collect();
        Entry {
            journey: arrived.journey,
            blob: message.staged.blob,
            hint: Hint::NONE,
            octets: message.staged.len,
            skip: queue::return_path_octets(front),
            arrived: now,
            reverse_path: self.sent_on_as(&onward.reverse_path),
            // What is in fact ASCII travels everywhere.
            body: match arrived.sender.body {
                BodyType::SevenBit | BodyType::EightBitMime if message.is_ascii => {
                    BodyType::SevenBit
                }
                BodyType::SevenBit => BodyType::EightBitMime,
                body => body,
            },
            smtputf8: foreign || arrived.sender.smtputf8 && !queue::header_is_ascii(front),
            ret: onward.ret,
            envid: onward.envid.clone(),
            tls: queue::tls_wish(arrived.sender.tls, queue::waives_tls(front)),
            destination: self.destination(path),
            due: Some(now.seconds),
            attempts: 0,
            warned: false,
            // One alone, so that whoever takes it can say in its trace whom it was for.
            recipients: vec![Waiting {
                recipient: onward.recipient.clone(),
                said: None,
            }],
            front: self.sealed(arrived.sealable, changed, &domains),
            rank: queue::rank(&onward.reverse_path, front),
        }
    }
}

impl Plans {
    /// A changed message as it goes to other hosts.
    fn travelling(&mut self, version: Option<usize>) -> Option<usize> {
        let changed = self.changed.get(version?)?;
        let octets = changed.staged.bytes.as_deref().unwrap_or_default();
        let octets = without_return_path(octets);
        self.change(octets.into())
    }
}

/// A message without its return paths: the envelope's is the one.
// RFC 5321 §4.4
fn without_return_path(octets: &[u8]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(octets.len());
    let mut from = 0;
    let mut header = Header::parse(octets);
    while let Some(field) = header.next() {
        if field.is("Return-Path") {
            whole.extend_from_slice(octets.get(from..field.offset).unwrap_or_default());
            from = header.offset();
        }
    }
    whole.extend_from_slice(octets.get(from..).unwrap_or_default());
    whole
}
