//! Recipients at other hosts: who may send to them, and what the queue gets.
//!
//! Not here: how letters leave (`queue`).
//!
//! RFC 3461 §5.2.7 (aliases), RFC 5321 §3.6.2 and §7.9 (whom we relay for).

use bytes::Bytes;
use mail::{AccountId, Address, BodyType, ForwardPath, Notify, Recipient, ReversePath};
use message::Header;
use store::Hint;

use super::Incoming;
use crate::directory::lower;
use crate::journey::Teller;
use crate::queue::{self, Entry, Rank};
use crate::report::wants_success;
use crate::signing::Sealable;
use crate::spool::Spooled;
use crate::{Account, Outcome, trace};

/// What is known of a message's beginning, once its trace fields are there.
#[derive(Debug, Default)]
pub(super) struct Aside {
    /// Its header as it is delivered, where a report returns it.
    pub(super) header: Vec<u8>,
    /// Octets of its `Return-Path` field, which does not travel.
    skip: u64,
    /// True if its header is ASCII.
    is_ascii: bool,
    /// True if its header says that it has to arrive, with TLS or without.
    waives_tls: bool,
    /// Whether others go first, as its header says.
    rank: Rank,
    /// What of its header was rewritten.
    pub(super) rewritten: Vec<String>,
}

impl Aside {
    pub(super) fn of(whole: &[u8], sender: &ReversePath, reported: bool) -> Self {
        let mut fields = Header::parse(whole);
        fields.by_ref().for_each(drop);
        let header = whole.get(..fields.offset()).unwrap_or_default();
        Self {
            header: match reported {
                true => header.to_vec(),
                false => Vec::new(),
            },
            skip: queue::return_path_octets(header),
            is_ascii: header.is_ascii(),
            waives_tls: queue::waives_tls(header),
            rank: queue::rank(sender, header),
            rewritten: Vec::new(),
        }
    }
}

impl Aside {
    /// Hears what the message begins with, once all of that is known.
    pub(super) fn begins(&mut self, octets: &[u8]) {
        if let Some(first) = self.header.get_mut(..octets.len()) {
            first.copy_from_slice(octets);
        }
    }
}

impl Incoming {
    /// Takes a recipient at another host.
    pub(super) async fn relay(&mut self, recipient: Recipient) -> Outcome<()> {
        self.may_relay()?;
        let path = &recipient.forward_path;
        self.house.refuse_suppressed(path).await?;
        let account = self.origin.account.as_ref().map(Account::id);
        self.house.allow_send(account, self.origin.author())?;
        self.add_relayed(recipient);
        Ok(())
    }

    fn may_relay(&self) -> Outcome<()> {
        let rules = self.house.rules();
        match &self.origin.account {
            Some(_) => self.house.queue_has_room()?,
            None if self.origin.user.is_some() => self.house.queue_has_room()?,
            None => {
                // RFC 5321 §7.9
                let trusts = |network: &mail::Network| network.contains(self.origin.peer);
                // RFC 5321 §7.9
                if !rules.trusted_networks.iter().any(trusts) {
                    return Err(trace::foreign("We do not relay for you"));
                }
                self.house.queue_has_room()?;
            }
        }
        Ok(())
    }

    /// Takes a recipient here whose aliases lead elsewhere: to one address with all that was asked
    /// for, to several without a word of success, which is told here.
    // RFC 3461 §5.2.7.2, §5.2.7.3 (c)
    pub(super) async fn forward(
        &mut self,
        recipient: Recipient,
        accounts: Vec<AccountId>,
        addresses: Vec<Address>,
    ) -> Outcome<()> {
        self.house.queue_has_room()?;
        let forwarder = recipient.forward_path.address();
        self.forwarders
            .extend(forwarder.map(|one| one.host.to_ascii()));
        let only = accounts.is_empty() && addresses.len() == 1;
        self.add_local(accounts).await?;
        let notify = match only {
            true => recipient.notify,
            false => without_success(recipient.notify),
        };
        let orcpt = recipient.orcpt.clone();
        // RFC 3461 §5.2.1 (d)
        let orcpt = orcpt.or_else(|| original(&recipient.forward_path));
        let named = recipient.forward_path.address().map(lower);
        for address in addresses {
            // An alias at a relayed domain may lead there besides, and programs of this machine get
            // what is for their alias: neither is another's letter.
            let is_named = named.as_ref() == Some(&lower(&address));
            let leaves = !is_named && self.house.programs_at(&address).is_none();
            let path = ForwardPath::Address(address);
            if leaves && !self.taken_on.contains(&path.to_string()) {
                self.forwarded.insert(path.to_string());
            }
            self.add_relayed(Recipient {
                forward_path: path,
                notify,
                orcpt: orcpt.clone(),
            });
        }
        if !only && wants_success(recipient.notify) {
            self.expanded.push(recipient);
        }
        Ok(())
    }

    /// Nobody gets a letter twice because two names lead to the same address.
    pub(super) fn add_relayed(&mut self, recipient: Recipient) {
        let path = &recipient.forward_path;
        if !self.relayed.iter().any(|one| one.forward_path == *path) {
            self.relayed.push(recipient);
        }
    }

    /// What is told of the way it came.
    pub(super) fn teller(&self, spooled: Option<&Spooled>) -> Teller {
        let Some(spooled) = spooled.filter(|_| self.house.tells_journeys()) else {
            return Teller::default();
        };
        let to = [
            &self.recipients,
            &self.expanded,
            &self.relayed,
            &self.elsewhere,
        ];
        let to = to.into_iter().flatten();
        let to = to.map(|one| one.forward_path.to_string()).collect();
        let results = self.conclusion.as_ref();
        let results = results.map(|conclusion| conclusion.results.write());
        let checked = results
            .into_iter()
            .chain(self.told_taken_on())
            .chain(self.notes.iter().cloned())
            .chain(self.aside.rewritten.iter().cloned())
            .collect();
        let way = (&self.origin, &self.sender);
        Teller::of((self.journey, to), way, spooled, checked)
    }

    /// What it needs to be sealed.
    pub(super) fn sealable(&self) -> Option<&Sealable> {
        self.conclusion.as_ref()?.sealable.as_deref()
    }

    /// What the queue gets of it for any destination.
    pub(super) fn entry(&self, spooled: &Spooled) -> Entry {
        let now = self.house.inner.outside.now();
        Entry {
            journey: self.journey,
            blob: spooled.staged.blob,
            hint: Hint::NONE,
            octets: spooled.staged.len,
            skip: self.aside.skip,
            arrived: now,
            reverse_path: self.sender.reverse_path.clone(),
            // What is in fact ASCII travels everywhere.
            body: match self.sender.body {
                BodyType::EightBitMime if spooled.is_ascii => BodyType::SevenBit,
                // And what is not has to be said, whatever its sender said of it.
                BodyType::SevenBit if !spooled.is_ascii => BodyType::EightBitMime,
                body => body,
            },
            smtputf8: self.sender.smtputf8 && !self.aside.is_ascii,
            ret: self.sender.ret,
            envid: self.sender.envid.clone(),
            tls: queue::tls_wish(self.sender.tls, self.aside.waives_tls),
            destination: String::new(),
            due: Some(now.seconds),
            attempts: 0,
            warned: false,
            recipients: Vec::new(),
            front: Bytes::new(),
            rank: self.aside.rank,
        }
    }

    /// What the queue gets: an entry for each destination.
    pub(super) fn entries(&self, spooled: &Spooled) -> Vec<Entry> {
        let letter = self.entry(spooled);
        if self.forwarded.is_empty() {
            return self.house.entries(&letter, &self.relayed);
        }
        let relayed = self.relayed.iter().cloned();
        let (forwarded, named): (Vec<Recipient>, Vec<Recipient>) =
            relayed.partition(|one| self.forwarded.contains(&one.forward_path.to_string()));
        let mut entries = self.house.entries(&letter, &named);
        let forwarders: Vec<String> = self.forwarders.iter().cloned().collect();
        let letter = Entry {
            reverse_path: self.house.sent_on_as(&letter.reverse_path),
            front: self.house.sealed(self.sealable(), None, &forwarders),
            ..letter
        };
        entries.extend(self.house.entries(&letter, &forwarded));
        entries
    }
}

/// The same without success; what is left of it may be nothing.
pub(crate) const fn without_success(notify: Option<Notify>) -> Option<Notify> {
    match notify {
        Some(Notify::On { failure, delay, .. }) if failure || delay => Some(Notify::On {
            success: false,
            failure,
            delay,
        }),
        Some(_) => Some(Notify::Never),
        None => None,
    }
}

/// The address as the sender wrote it, where the sender did not say so itself.
// RFC 3461 §4.2, RFC 6533 §3
pub(crate) fn original(path: &ForwardPath) -> Option<String> {
    let ForwardPath::Address(address) = path else {
        return None;
    };
    let kind = if address.needs_utf8() {
        "utf-8"
    } else {
        "rfc822"
    };
    Some(format!("{kind};{}", address.written()))
}
