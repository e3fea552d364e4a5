//! How SELECT and EXAMINE open a mailbox (RFC 4466 §2.1, RFC 7162 §3.1.8 and §3.2.5).

use bytes::{BufMut, BytesMut};
use mail::{ModSeq, UidValidity};

use crate::cursor::{Cursor, Read};
use crate::{MailboxName, SequenceSet, writing};

/// What stands in parentheses behind the mailbox's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelectParameters {
    /// `CONDSTORE`: tell mod-sequences from now on.
    pub condstore: bool,
    /// `QRESYNC`: tell what changed since.
    pub qresync: Option<Qresync>,
}

/// What a client knows of the mailbox from last time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qresync {
    /// The mailbox's generation then.
    pub uid_validity: UidValidity,
    /// The mailbox's mod-sequence then.
    pub modseq: ModSeq,
    /// The UIDs it knows; all, if it does not say.
    pub known_uids: Option<SequenceSet>,
    /// Some sequence numbers and the UIDs they had.
    pub matches: Option<(SequenceSet, SequenceSet)>,
}

impl SelectParameters {
    pub(super) fn write(&self, out: &mut BytesMut) {
        if self.condstore {
            out.put_slice(if self.qresync.is_some() {
                b" (CONDSTORE "
            } else {
                b" (CONDSTORE)"
            });
        } else if self.qresync.is_some() {
            out.put_slice(b" (");
        }
        let Some(qresync) = &self.qresync else {
            return;
        };
        let (validity, modseq) = (qresync.uid_validity, qresync.modseq);
        writing::display(out, format_args!("QRESYNC ({validity} {modseq}"));
        if let Some(known) = &qresync.known_uids {
            writing::display(out, format_args!(" {known}"));
        }
        if let Some((seqs, uids)) = &qresync.matches {
            writing::display(out, format_args!(" ({seqs} {uids})"));
        }
        out.put_slice(b"))");
    }
}

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Read<(MailboxName, SelectParameters)> {
    let mailbox = cursor.mailbox()?;
    let mut parameters = SelectParameters::default();
    if cursor.eat(b' ') {
        cursor.list(|cursor| {
            let at = cursor.position();
            match cursor.name().as_bytes() {
                b"CONDSTORE" => parameters.condstore = true,
                b"QRESYNC" if parameters.qresync.is_none() => {
                    cursor.space()?;
                    parameters.qresync = Some(qresync(cursor)?);
                }
                _ => return Cursor::error_at(at, "CONDSTORE or QRESYNC"),
            }
            Ok(())
        })?;
    }
    Ok((mailbox, parameters))
}

fn qresync(cursor: &mut Cursor<'_>) -> Read<Qresync> {
    cursor.open()?;
    let uid_validity = UidValidity(cursor.nz_number()?);
    cursor.space()?;
    let modseq = cursor.modseq()?;
    let mut known_uids = None;
    let mut matches = None;
    let mut more = cursor.eat(b' ');
    if more && cursor.peek() != Some(b'(') {
        known_uids = Some(cursor.sequence_set()?);
        more = cursor.eat(b' ');
    }
    if more {
        cursor.open()?;
        let seqs = cursor.sequence_set()?;
        cursor.space()?;
        let uids = cursor.sequence_set()?;
        cursor.close()?;
        matches = Some((seqs, uids));
    }
    cursor.close()?;
    // RFC 7162 §7
    let sets = known_uids
        .iter()
        .chain(matches.iter().flat_map(|(one, other)| [one, other]));
    if sets
        .into_iter()
        .any(|set| set.has_star() || *set == SequenceSet::Saved)
    {
        return cursor.error("sets without '*' and '$'");
    }
    Ok(Qresync {
        uid_validity,
        modseq,
        known_uids,
        matches,
    })
}
