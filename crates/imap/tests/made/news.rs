//! What others did in the made-up house, mailbox by mailbox.

use imap::ask::{Answer, Mark, News, Refused, Status, Why};
use mail::{MailboxNews, ModSeq, Naming, Rights};

use super::{Made, no};

/// Something that others did.
#[derive(Debug)]
pub(super) struct Deed {
    pub(super) modseq: u64,
    /// To the mailbox of this name, as it was called then.
    pub(super) name: String,
    pub(super) what: String,
    /// What else there is to say of it.
    pub(super) how: String,
}

impl Made {
    /// What others did behind this line; `many` of it is too much to be told.
    pub(super) fn news(&mut self, since: &[Mark]) -> Result<Answer, Refused> {
        let mut news = News {
            marks: vec![Mark {
                owner: None,
                modseq: ModSeq(self.modseq),
            }],
            ..News::default()
        };
        let from = since.first().map_or(self.modseq, |mark| mark.modseq.0);
        let deeds = std::mem::take(&mut self.deeds);
        for deed in deeds.iter().filter(|deed| deed.modseq > from) {
            if deed.what == "many" {
                return Err(no(Why::Limit, "More has happened than can be told"));
            }
            if deed.name == "server" {
                news.notes.push(deed.how.clone());
                continue;
            }
            self.tell(deed, &mut news.mailboxes);
        }
        self.deeds = deeds;
        for happened in &mut news.mailboxes {
            let mailboxes = self.mailboxes.iter();
            let mut mailboxes = mailboxes.filter(|mailbox| mailbox.name == happened.name);
            let readable = mailboxes
                .next()
                .filter(|mailbox| mailbox.rights.contains(Rights::READ));
            happened.status = readable.map(|mailbox| mailbox.status());
            happened.subscribed = self.subscribed.contains(&happened.name);
        }
        Ok(Answer::News(Box::new(news)))
    }

    fn tell(&self, deed: &Deed, mailboxes: &mut Vec<MailboxNews<Status>>) {
        let name = match &*deed.what {
            "renamed" => &deed.how,
            _ => &deed.name,
        };
        let known = mailboxes.iter().position(|known| known.name == *name);
        let at = known.unwrap_or(mailboxes.len());
        if known.is_none() {
            mailboxes.push(MailboxNews {
                name: name.clone(),
                ..MailboxNews::default()
            });
        }
        let happened = &mut mailboxes[at];
        match &*deed.what {
            "new" => happened.moved.arrived = true,
            "gone" => happened.moved.removed = true,
            "flags" => happened.moved.flagged = true,
            "made" => happened.naming = Some(Naming::Made),
            "deleted" => happened.naming = Some(Naming::Gone),
            "renamed" => {
                let from = deed.name.clone();
                happened.naming = Some(Naming::Renamed { from });
            }
            "rights" => {
                let sees = Rights::parse(&deed.how).is_some_and(|it| it.contains(Rights::LOOKUP));
                happened.naming = Some(if sees { Naming::Made } else { Naming::Hidden });
            }
            "subscribed" | "unsubscribed" => happened.subscription = true,
            "noted" => happened.notes.push(deed.how.clone()),
            _ => {}
        }
        happened.moved.flagged |= happened.naming.is_some();
    }
}
