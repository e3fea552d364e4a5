//! What IMAP asks, answered by the post.

use std::sync::Arc;

use bytes::Bytes;
use imap::ask::{self, Gone, Refused, Why};
use imap::{Answer, Ask, Policy, Session};
use mail::{BlobRange, MailboxId, ModSeq, Uid};
use net::Fault;
use post::{Account, Append, Error, MetadataQuery, Outcome};

use crate::guest::Guest;
use crate::visit::{Hall, Visit};

mod fetch;
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

    async fn read(&mut self, range: BlobRange) -> Result<Bytes, Fault> {
        self.guest.read(range).await
    }

    async fn hint(&mut self) -> ModSeq {
        self.guest.hint().await
    }

    fn is_dismissed(&mut self) -> bool {
        self.guest.is_dismissed()
    }

    fn pending_hint(&mut self) -> Option<ModSeq> {
        self.guest.pending_hint()
    }
}

impl House {
    fn note(&self, fields: &[(String, Option<String>)]) {
        let conn = self.guest.peer.conn;
        tracing::debug!(%conn, ?fields, "the client names itself");
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
        let account = self.guest.account().ok_or_else(out_of_turn)?;
        match ask {
            Ask::List => return list(account).await,
            Ask::Status { name } => return status(account, &name).await,
            Ask::Quota => return quota(account).await,
            ask @ (Ask::Metadata { .. } | Ask::SetMetadata { .. }) => {
                return metadata(account, ask).await;
            }
            Ask::Create { name, role } => {
                return Ok(Answer::Created(account.create(&name, role).await?));
            }
            Ask::Delete { name } => account.delete(&name).await?,
            Ask::Rename { source, target } => account.rename(&source, &target).await?,
            Ask::Subscribe { name, on: true } => account.subscribe(&name).await?,
            Ask::Subscribe { name, on: false } => account.unsubscribe(&name).await?,
            Ask::Select { name, read_only } => return select(account, &name, read_only).await,
            Ask::Changes {
                mailbox,
                since,
                uid_next,
            } => return changes(account, mailbox, since, uid_next).await,
            Ask::Expunge { mailbox, uids } => {
                account.expunge(mailbox, uids.as_ref()).await?;
            }
            Ask::AppendBegin {
                name,
                flags,
                date,
                octets,
                replaces,
            } => {
                let mut append = account.append(&name, flags, date, Some(octets)).await?;
                if let Some((mailbox, uid)) = replaces {
                    append = append.replacing(mailbox, uid).await?;
                }
                append.room(octets).await?;
                self.append = Some(Box::new(append));
            }
            Ask::AppendNext {
                flags,
                date,
                octets,
            } => {
                let append = self.append.as_mut().ok_or_else(out_of_turn)?;
                append.next(flags, date, Some(octets)).await?;
            }
            Ask::AppendAbort => self.append = None,
            Ask::AppendEnd => {
                let append = self.append.take().ok_or_else(out_of_turn)?;
                let appended = append.commit().await?;
                return Ok(Answer::Appended {
                    uid_validity: appended.uidvalidity,
                    uids: appended.uids,
                });
            }
            ask => return messages(account, ask).await,
        }
        Ok(Answer::Done)
    }
}

/// Answers what is asked about the messages of a mailbox.
async fn messages(account: &Account, ask: Ask) -> Outcome<Answer> {
    match ask {
        Ask::Fetch {
            mailbox,
            uids,
            plan,
        } => fetch::answer(account, mailbox, &uids, &plan).await,
        Ask::Store {
            mailbox,
            uids,
            mode,
            flags,
            unchanged_since,
            told,
        } => {
            let change = store::change(mode, flags, unchanged_since);
            store::answer(account, mailbox, &uids, &change, told).await
        }
        Ask::Copy {
            mailbox,
            uids,
            target,
        } => Ok(store::copied(account.copy(mailbox, &uids, &target).await?)),
        Ask::Move {
            mailbox,
            uids,
            target,
        } => Ok(store::copied(
            account.relocate(mailbox, &uids, &target).await?,
        )),
        Ask::Search {
            mailbox,
            criterion,
            highest,
        } => search::answer(account, mailbox, criterion, highest).await,
        Ask::Sort {
            mailbox,
            criterion,
            criteria,
            highest,
        } => sort::answer(account, mailbox, criterion, &criteria, highest).await,
        Ask::Thread {
            mailbox,
            criterion,
            threading,
        } => sort::threads(account, mailbox, criterion, threading).await,
        _ => Err(out_of_turn()),
    }
}

async fn list(account: &Account) -> Outcome<Answer> {
    let mailboxes = account.mailboxes().await?;
    let mut listed: Vec<ask::Listed> = mailboxes
        .into_iter()
        .map(|mailbox| ask::Listed {
            name: mailbox.name,
            role: mailbox.role,
            subscribed: mailbox.subscribed,
            exists: true,
            selectable: mailbox.selectable,
        })
        .collect();
    let known: std::collections::HashSet<String> =
        listed.iter().map(|mailbox| mailbox.name.clone()).collect();
    let subscribed = account.subscriptions().await?.into_iter();
    let missing = subscribed.filter(|name| !known.contains(name));
    listed.extend(missing.map(|name| ask::Listed {
        name,
        role: None,
        subscribed: true,
        exists: false,
        selectable: false,
    }));
    Ok(Answer::Mailboxes(listed))
}

async fn status(account: &Account, name: &str) -> Outcome<Answer> {
    let status = account.status(name).await?;
    Ok(Answer::Status(ask::Status {
        mailbox: status.id,
        messages: status.messages,
        uid_next: status.uidnext,
        uid_validity: status.uidvalidity,
        unseen: status.unseen,
        deleted: status.deleted,
        deleted_octets: status.deleted_storage,
        size_octets: status.size,
        modseq: status.highest_modseq,
    }))
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

async fn select(account: &Account, name: &str, read_only: bool) -> Outcome<Answer> {
    let snapshot = account.open(name).await?;
    Ok(Answer::Selected(Box::new(ask::Selected {
        mailbox: snapshot.id,
        uid_validity: snapshot.uidvalidity,
        uid_next: snapshot.uidnext,
        modseq: snapshot.modseq,
        highest: snapshot.highest_modseq,
        uids: snapshot.uids,
        keywords: snapshot.keywords,
        first_unseen: snapshot.first_unseen,
        read_only,
    })))
}

async fn changes(
    account: &Account,
    mailbox: MailboxId,
    since: ModSeq,
    uid_next: Uid,
) -> Outcome<Answer> {
    let changes = account.changes(mailbox, since, uid_next).await?;
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
