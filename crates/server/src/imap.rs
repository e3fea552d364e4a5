//! What IMAP asks, answered by the post.

use std::sync::Arc;

use bytes::Bytes;
use imap::ask::{self, Gone, Place, Refused, Why};
use imap::{Answer, Ask, Policy, Session};
use mail::{BlobRange, FlagSet, Gauge, ModSeq, Uid};
use net::{Fault, Onlooker};
use post::{Account, Append, Error, EventCause, MetadataQuery, Outcome};

use crate::guest::Guest;
use crate::visit::{Hall, Visit};

mod access;
mod catenate;
mod fetch;
mod list;
mod news;
mod search;
mod sort;
mod store;
#[cfg(test)]
mod walk;

/// What a session behind this door may do; made once for each door.
pub(crate) fn policy(hall: &Hall) -> Arc<Policy> {
    Arc::new(Policy {
        host: hall.settings.host.to_string(),
        starttls: hall.offers_starttls(),
        mechanisms: hall.mechanisms(),
        clear_passwords: hall.door.is_indoors(),
        append_octets_max: hall.post.rules().message_octets_max,
        metadata_octets_max: u64::try_from(hall.post.rules().metadata_octets_max)
            .unwrap_or(u64::MAX),
        other_users: Some(Account::OTHER_USERS.to_owned()),
        inboxes: hall.post.inboxes(),
        shared: Some(Account::SHARED.to_owned()),
        removed: hall
            .post
            .shows_removed_mail()
            .then(|| Account::REMOVED_MAIL.to_owned()),
        raw_headers: hall.settings.raw_headers,
        uid_only: hall.settings.uid_only,
        sieve: hall.sieve_place(),
        ..Policy::default()
    })
}

/// Talks with one peer until it has gone.
pub(crate) fn converse(
    visit: Visit,
    policy: &Arc<Policy>,
) -> impl Future<Output = ()> + Send + use<> {
    let session = Session::new(Arc::clone(policy));
    let house = House {
        guest: visit.guest(),
        append: None,
    };
    visit.converse(session, house)
}

#[derive(Debug)]
struct House {
    guest: Guest,
    /// The message on its way in.
    append: Option<Box<Append>>,
}

impl net::House<Session> for House {
    async fn ask(&mut self, ask: Ask) -> Answer {
        if let Ask::Sasl(question) = ask {
            return Answer::Verdict(self.guest.verdict(question).await);
        }
        if ask == Ask::Unauthenticate {
            self.guest.leave();
            return Answer::Done;
        }
        self.answer(ask).await.unwrap_or_else(|error| {
            self.append = None;
            let conn = self.guest.peer.conn;
            tracing::info!(%conn, %error, "refused");
            Answer::Refused(refused(&error))
        })
    }

    fn gauge(&self) -> Option<Arc<Gauge>> {
        self.guest
            .account()
            .map(|account| Arc::clone(account.gauge()))
    }

    async fn read(&mut self, range: BlobRange) -> Result<Bytes, Fault> {
        self.guest.read(range).await
    }

    async fn hint(&mut self) -> ModSeq {
        self.guest.hint().await
    }

    fn is_dismissed(&mut self) -> bool {
        self.guest.is_dismissed()
    }

    fn onlooker(&mut self) -> Option<&mut dyn Onlooker> {
        self.guest.onlooker()
    }

    fn rests(&mut self, whereabouts: &'static str, encrypted: bool) {
        self.guest.rests(whereabouts, encrypted);
    }

    fn pending_hint(&mut self) -> Option<ModSeq> {
        self.guest.pending_hint()
    }
}

impl House {
    fn note(&mut self, fields: &[(String, Option<String>)]) {
        let conn = self.guest.peer.conn;
        tracing::debug!(%conn, ?fields, "the client names itself");
        let value = |wanted: &str| {
            let named = fields
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            named.and_then(|(_, value)| value.as_deref())
        };
        if let Some(name) = value("name") {
            let version = value("version").unwrap_or_default();
            self.guest.named(format!("{name} {version}").trim());
        }
    }

    async fn answer(&mut self, ask: Ask) -> Outcome<Answer> {
        if let Ask::AppendChunk(bytes) = ask {
            let append = self.append.as_mut().ok_or_else(out_of_turn)?;
            append.chunk(bytes).await?;
            return Ok(Answer::Done);
        }
        // RFC 2971 §3.1: a client may name itself in any state, before it logs in as well.
        if let Ask::Identity(fields) = ask {
            self.note(&fields);
            return Ok(Answer::Done);
        }
        if let Ask::News { watched, since } = ask {
            return news::answer(&mut self.guest, &watched, &since).await;
        }
        let account = self.guest.account().ok_or_else(out_of_turn)?;
        match ask {
            Ask::Select { name, read_only } => {
                let (there, name) = account.place(&name).await?;
                // First, so that nothing happens between what is told and what is watched.
                self.guest.watch(there.clone());
                return select(&there, &name, read_only).await;
            }
            Ask::Changes {
                mailbox,
                since,
                uid_next,
            } => return changes(account, mailbox, since, uid_next).await,
            Ask::Expunge { mailbox, uids } => {
                let there = access::there(account, mailbox)?;
                there.expunge(mailbox.mailbox, uids.as_ref()).await?;
            }
            Ask::AppendBegin {
                name,
                flags,
                date,
                octets,
                replaces,
            } => {
                let (there, name) = account.place(&name).await?;
                let mut append = there.append(&name, flags, date, octets).await?;
                if let Some((mailbox, uid)) = replaces {
                    if access::there(account, mailbox)?.id() != there.id() {
                        return Err(Error::across_accounts());
                    }
                    append = append.replacing(mailbox.mailbox, uid).await?;
                }
                append.room(octets.unwrap_or_default()).await?;
                self.append = Some(Box::new(append));
            }
            ask @ (Ask::AppendNext { .. } | Ask::AppendText(_) | Ask::AppendStored(_)) => {
                let append = self.append.as_mut().ok_or_else(out_of_turn)?;
                return goes_on(account, append, ask).await;
            }
            Ask::AppendAbort => self.append = None,
            Ask::AppendEnd => {
                let append = self.append.take().ok_or_else(out_of_turn)?;
                let there = append.account().clone();
                let appended = append.commit().await?;
                let uids = appended.uids.iter();
                let messages = uids.map(|uid| (uid, FlagSet::new()));
                let (mailbox, cause) = (appended.mailbox, EventCause::Append);
                there.happened(mailbox, cause, messages).await;
                return Ok(Answer::Appended {
                    uid_validity: appended.uidvalidity,
                    uids: appended.uids,
                });
            }
            ask => return mailboxes(account, ask).await,
        }
        Ok(Answer::Done)
    }
}

/// Goes on with messages that come.
async fn goes_on(account: &Account, append: &mut Append, ask: Ask) -> Outcome<Answer> {
    match ask {
        Ask::AppendNext {
            flags,
            date,
            octets,
        } => append.next(flags, date, octets).await?,
        Ask::AppendText(octets) => append.room(octets).await?,
        Ask::AppendStored(part) => return catenate::answer(account, append, *part).await,
        _ => return Err(out_of_turn()),
    }
    Ok(Answer::Done)
}

/// Answers what is asked about mailboxes by their names.
async fn mailboxes(account: &Account, ask: Ask) -> Outcome<Answer> {
    match ask {
        Ask::List { removed } => return list::answer(account, removed).await,
        Ask::Status { name } => return status(account, &name).await,
        Ask::Quota => return quota(account).await,
        ask @ (Ask::Metadata { .. } | Ask::SetMetadata { .. }) => {
            return metadata(account, ask).await;
        }
        Ask::Create { name, role } => {
            let (there, name) = account.place_new(&name).await?;
            let mailbox = there.create(&name, role).await?;
            return Ok(Answer::Created(access::place(&there, mailbox)));
        }
        Ask::Delete { name } => {
            let (there, name) = account.place(&name).await?;
            let mailbox = there.delete(&name).await?;
            return Ok(Answer::Deleted(access::place(&there, mailbox)));
        }
        Ask::Rename { source, target } => access::rename(account, &source, &target).await?,
        Ask::Subscribe { name, on: true } => account.subscribe(&name).await?,
        Ask::Subscribe { name, on: false } => account.unsubscribe(&name).await?,
        ask @ (Ask::MyRights { .. }
        | Ask::GetAcl { .. }
        | Ask::ListRights { .. }
        | Ask::SetAcl { .. }) => return access::answer(account, ask).await,
        ask => return messages(account, ask).await,
    }
    Ok(Answer::Done)
}

/// Answers what is asked about the messages of a mailbox.
async fn messages(account: &Account, ask: Ask) -> Outcome<Answer> {
    match ask {
        Ask::Fetch {
            mailbox,
            uids,
            plan,
        } => {
            let there = access::there(account, mailbox)?;
            fetch::answer(&there, mailbox.mailbox, &uids, &plan).await
        }
        Ask::Store {
            mailbox,
            uids,
            mode,
            flags,
            unchanged_since,
            told,
        } => {
            let there = access::there(account, mailbox)?;
            let change = store::change(mode, flags, unchanged_since);
            store::answer(&there, mailbox.mailbox, &uids, &change, told).await
        }
        Ask::Copy {
            mailbox,
            uids,
            target,
        } => {
            let here = access::there(account, mailbox)?;
            let (there, name) = account.place(&target).await?;
            let copied = here
                .copy_to(mailbox.mailbox, &uids, (&there, &name))
                .await?;
            Ok(store::copied((&here, mailbox.mailbox), &there, copied).await)
        }
        Ask::Move {
            mailbox,
            uids,
            target,
        } => {
            let here = access::there(account, mailbox)?;
            let (there, name) = account.place(&target).await?;
            let moved = here.relocate_to(mailbox.mailbox, &uids, (&there, &name));
            let moved = moved.await?;
            Ok(store::copied((&here, mailbox.mailbox), &there, moved).await)
        }
        Ask::Search {
            mailbox,
            criterion,
            highest,
        } => {
            let there = access::there(account, mailbox)?;
            search::answer(&there, mailbox.mailbox, criterion, highest).await
        }
        Ask::SearchElsewhere {
            names,
            key,
            highest,
        } => search::elsewhere(account, names, &key, highest).await,
        other => in_order(account, other).await,
    }
}

/// Answers what is asked about the order of messages.
async fn in_order(account: &Account, ask: Ask) -> Outcome<Answer> {
    match ask {
        Ask::Sort {
            mailbox,
            criterion,
            criteria,
            highest,
        } => {
            let there = access::there(account, mailbox)?;
            sort::answer(&there, mailbox.mailbox, criterion, &criteria, highest).await
        }
        Ask::Thread {
            mailbox,
            criterion,
            threading,
        } => {
            let there = access::there(account, mailbox)?;
            sort::threads(&there, mailbox.mailbox, criterion, threading).await
        }
        _ => Err(out_of_turn()),
    }
}

async fn status(account: &Account, name: &str) -> Outcome<Answer> {
    let (there, name) = account.place(name).await?;
    let status = there.status(&name).await?;
    Ok(Answer::Status(counts(&there, &status)))
}

/// How a mailbox of an account stands.
fn counts(there: &Account, status: &post::Status) -> ask::Status {
    ask::Status {
        mailbox: access::place(there, status.id),
        messages: status.messages,
        uid_next: status.uidnext,
        uid_validity: status.uidvalidity,
        unseen: status.unseen,
        deleted: status.deleted,
        deleted_octets: status.deleted_storage,
        size_octets: status.size,
        modseq: status.highest_modseq,
    }
}

async fn quota(account: &Account) -> Outcome<Answer> {
    let (used, limit) = account.quota().await?;
    Ok(Answer::Quota(ask::Quota {
        octets: used.octets,
        octets_max: limit.octets_max,
        messages: used.messages,
        messages_max: limit.messages_max,
    }))
}

/// Notes are an account's own: on a mailbox of another there are none to be seen or made.
async fn metadata(account: &Account, ask: Ask) -> Outcome<Answer> {
    match ask {
        Ask::Metadata {
            mailbox,
            entries,
            depth,
            octets_max,
        } => {
            let query = MetadataQuery {
                entries,
                depth,
                octets_max,
            };
            let found = account.metadata(mailbox.as_deref(), &query).await?;
            Ok(Answer::Metadata {
                entries: found.entries,
                longest: found.longest,
            })
        }
        Ask::SetMetadata { mailbox, entries } => {
            account.set_metadata(mailbox.as_deref(), &entries).await?;
            Ok(Answer::Done)
        }
        _ => Err(out_of_turn()),
    }
}

async fn select(there: &Account, name: &str, read_only: bool) -> Outcome<Answer> {
    let snapshot = there.open(name).await?;
    Ok(Answer::Selected(Box::new(ask::Selected {
        mailbox: access::place(there, snapshot.id),
        uid_validity: snapshot.uidvalidity,
        uid_next: snapshot.uidnext,
        modseq: snapshot.modseq,
        highest: snapshot.highest_modseq,
        uids: snapshot.uids,
        keywords: snapshot.keywords,
        first_unseen: snapshot.first_unseen,
        read_only,
        rights: snapshot.rights,
    })))
}

async fn changes(
    account: &Account,
    mailbox: Place,
    since: ModSeq,
    uid_next: Uid,
) -> Outcome<Answer> {
    let Ok(there) = access::there(account, mailbox) else {
        return Ok(Answer::Changes(access::no_owner(since, uid_next)));
    };
    let changes = there.changes(mailbox.mailbox, since, uid_next).await?;
    let gone = if changes.gone {
        Gone::Mailbox
    } else {
        Gone::Uids(changes.vanished)
    };
    Ok(Answer::Changes(ask::Changes {
        modseq: changes.modseq,
        highest: changes.highest_modseq,
        uid_next: changes.uidnext,
        added: changes.added,
        changed: changes.changed.into_iter().map(store::changed).collect(),
        gone,
        keywords: changes.keywords,
        rights: changes.rights,
        over_quota: changes.over_quota,
        more: false,
    }))
}

/// A refusal of the post in IMAP's words.
fn refused(error: &Error) -> Refused {
    let why = match error.why() {
        post::Why::Nonexistent | post::Why::TryCreate => Why::NonExistent,
        post::Why::Expunged => Why::Expunged,
        post::Why::AlreadyExists => Why::AlreadyExists,
        post::Why::Cannot | post::Why::UnknownEncoding => Why::Cannot,
        post::Why::Limit => Why::Limit,
        post::Why::OverQuota => Why::OverQuota,
        post::Why::TooBig => Why::TooBig,
        post::Why::Damaged => Why::Damaged,
        post::Why::InUse => Why::InUse,
        post::Why::AuthenticationFailed | post::Why::AuthorizationFailed | post::Why::Policy => {
            Why::NoPermission
        }
        post::Why::Unavailable => Why::Unavailable,
    };
    Refused {
        why,
        text: error.refusal().text,
    }
}

/// A session that asks out of turn.
fn out_of_turn() -> Error {
    Error::Fault(post::Fault::Row("a conversation out of turn"))
}
