//! Parts of messages that are stored already (CATENATE).

use imap::Answer;
use imap::ask::{HeaderWatch, Source, StoredPart};
use post::{Account, Append, Form, Item, Outcome};

use super::access;

/// Has a stored part go on with the message that comes.
pub(super) async fn answer(
    account: &Account,
    append: &mut Append,
    part: StoredPart,
) -> Outcome<Answer> {
    let (there, mailbox) = match part.source {
        Source::Open(place) => (access::there(account, place)?, place.mailbox),
        Source::Named { name, uid_validity } => {
            let (there, name) = account.place(&name).await?;
            let mailbox = there.source(&name, uid_validity).await?;
            (there, mailbox)
        }
    };
    let item = Item {
        section: part.section,
        form: Form::Stored,
        range: part.range,
    };
    let mut header = part.header;
    let passing = |octets: &[u8]| {
        header.pass(octets);
        header != HeaderWatch::Unwelcome
    };
    let copied = append.copy((&there, mailbox), part.uid, item, passing);
    let octets = copied.await?;
    Ok(Answer::PartTaken { octets, header })
}
