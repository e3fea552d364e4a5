//! Messages in threads (RFC 5256 §3; draft-ietf-morg-inthread for REFS).

use mail::{BlobId, MailboxId, ThreadId, Uid};
use message::thread::own_id;
use message::{ByReferences, BySubject, Digest, Member, base_subject};

use crate::arranged::Members;
use crate::digests::{Wanted, sent_seconds};
use crate::search::Query;
use crate::{Account, Outcome};

/// How messages are put into threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Threading {
    /// By their base subjects: ORDEREDSUBJECT.
    Subject,
    /// By what they answer: REFERENCES.
    References,
    /// By what they answer alone, the thread with the last arrival last: REFS.
    Refs,
}

impl Account {
    /// Searches a mailbox and puts what it finds into threads: heads before their answers.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`] if the mailbox is gone, or a fault.
    pub async fn threads(
        &self,
        mailbox: MailboxId,
        query: &Query,
        threading: Threading,
    ) -> Outcome<Vec<Member<Uid>>> {
        let _pinned = self.keeper.pin();
        let found = self.search(mailbox, query).await?;
        let entries = self.entries(mailbox, &found.uids).await?;
        // Good as long as it is these and no others.
        let among = found.uids;
        let made_before = self
            .keeper
            .arranged(|arranged| arranged.threads(mailbox, threading, &among));
        if let Some(members) = made_before.flatten() {
            return Ok(members.to_vec());
        }
        let mut uids = Vec::with_capacity(entries.len());
        let members = match threading {
            Threading::Subject => {
                let mut threads = BySubject::default();
                self.digests(mailbox, &entries, Wanted::Fields, |entry, digest| {
                    let subject = base_subject(digest.subject.as_deref().unwrap_or_default());
                    threads.add(&subject, sent_seconds(entry, digest));
                    uids.push(entry.uid);
                })
                .await?;
                let count = uids.len();
                self.house
                    .in_nobodys_way(count, || threads.finish())
                    .await?
            }
            Threading::References | Threading::Refs => {
                let mut arrived = Vec::new();
                let mut threads = ByReferences::default();
                self.digests(mailbox, &entries, Wanted::References, |entry, digest| {
                    let subject = base_subject(digest.subject.as_deref().unwrap_or_default());
                    let id = digest.message_id.as_deref().and_then(own_id);
                    let references = digest.references.as_deref().unwrap_or_default();
                    let sent = sent_seconds(entry, digest);
                    threads.add(id.as_deref(), references, &subject, sent);
                    uids.push(entry.uid);
                    arrived.push(entry.date_seconds);
                })
                .await?;
                let count = uids.len();
                let finish = move || match threading {
                    Threading::Refs => threads.finish_by_arrival(&arrived),
                    _ => threads.finish(),
                };
                self.house.in_nobodys_way(count, finish).await?
            }
        };
        let named: Vec<_> = members
            .into_iter()
            .map(|member| Member {
                message: member.message.and_then(|message| {
                    let at = usize::try_from(message).ok()?;
                    uids.get(at).copied()
                }),
                depth: member.depth,
            })
            .collect();
        if uids.iter().copied().eq(among.iter()) {
            let kept = Members::from(&named[..]);
            self.keeper
                .arranged(|arranged| arranged.keep_threads(mailbox, threading, among, kept));
        }
        Ok(named)
    }
}

/// What the conversation of a message is called: the same for all that name the same first message
/// (see `docs/decisions/030-conversations-by-their-root.md`).
///
/// A message that names none, and has no name itself, is a conversation of its own.
pub(crate) fn conversation(digest: &Digest, blob: BlobId) -> ThreadId {
    let mut hasher = blake3::Hasher::new_derive_key("caramel 2026 THREADID");
    match digest.root() {
        Some(root) => hasher.update(b"i").update(&root),
        None => hasher.update(b"b").update(&blob.0),
    };
    let mut octets = [0; 8];
    hasher.finalize_xof().fill(&mut octets);
    ThreadId(u64::from_be_bytes(octets))
}
