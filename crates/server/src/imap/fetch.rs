//! Messages read for FETCH.

use imap::Answer;
use imap::ask::{FetchPlan, Piece, PieceData, PieceForm, PreviewMode, Reached, Row};
use mail::{Flag, FlagSet, MailboxId, UidSet};
use post::{Account, Data, EventCause, FetchRow, Form, Item, Outcome, Preview};

pub(super) async fn answer(
    account: &Account,
    mailbox: MailboxId,
    uids: &UidSet,
    plan: &FetchPlan,
) -> Outcome<Answer> {
    let plan = post::FetchPlan {
        outline: plan.outline,
        preview: plan.preview.map(|mode| match mode {
            PreviewMode::Kept => Preview::Kept,
            PreviewMode::Made => Preview::Made,
        }),
        thread: plan.thread,
        items: plan.pieces.iter().map(item).collect(),
        in_place: false,
        mark_seen: plan.mark_seen,
        changed_since: plan.changed_since,
    };
    if plan.preview == Some(Preview::Made) {
        // RFC 8970 §8
        tracing::debug!(account = %account.address(), %mailbox, "previews are asked for");
    }
    let page = account.fetch(mailbox, uids, None, &plan).await?;
    if plan.mark_seen {
        let seen: FlagSet = [Flag::Seen].into_iter().collect();
        let marked = page.rows.iter().filter(|row| row.seen_now);
        let marked = marked.map(|row| (row.uid, seen.clone()));
        account.happened(mailbox, EventCause::Flag, marked).await;
    }
    Ok(Answer::Rows {
        rows: page.rows.into_iter().map(row).collect(),
        reached: page.more_after.map_or(Reached::End, Reached::Uid),
    })
}

fn item(piece: &Piece) -> Item {
    Item {
        section: piece.section.clone(),
        form: match piece.form {
            PieceForm::Stored => Form::Stored,
            PieceForm::Decoded => Form::Decoded,
            PieceForm::DecodedSize => Form::DecodedSize,
        },
        range: piece.range,
    }
}

fn row(row: FetchRow) -> Row {
    Row {
        uid: row.uid,
        modseq: row.modseq,
        flags: row.flags,
        marked: row.seen_now,
        size_octets: row.size,
        internal_date: row.date,
        save_date: row.save_date,
        email: row.email,
        thread: row.thread,
        outline: row.outline,
        preview: row.preview,
        pieces: row.data.into_iter().map(piece_data).collect(),
    }
}

fn piece_data(data: Data) -> PieceData {
    match data {
        Data::Nothing => PieceData::Nil,
        Data::Stored(range) => PieceData::Blob(range),
        Data::Octets(bytes) => PieceData::Bytes(bytes),
        Data::Size(octets) => PieceData::Size(octets),
        Data::UnknownEncoding => PieceData::UnknownCte,
        Data::Damaged => PieceData::Damaged,
    }
}
