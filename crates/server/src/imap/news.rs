//! What happened in the guest's account and in those of others that it watches, for NOTIFY.

use std::collections::HashSet;

use imap::Answer;
use imap::ask::{Mark, News, Watched};
use mail::{AccountId, MailboxNews};
use post::{Account, Neighbour, Outcome, Status};

use super::{counts, out_of_turn};
use crate::guest::Guest;

pub(super) async fn answer(
    guest: &mut Guest,
    watched: &Watched,
    since: &[Mark],
) -> Outcome<Answer> {
    let account = guest.account().cloned().ok_or_else(out_of_turn)?;
    let neighbours = account
        .neighbours(&watched.names, &watched.trees, watched.subscribed)
        .await?;
    // First, so that nothing happens between what is told and what is watched.
    guest.watch_also(neighbours.iter().map(|neighbour| &neighbour.account));
    let mut telling = Telling {
        since,
        news: News::default(),
    };
    telling.own(&account).await?;
    for neighbour in &neighbours {
        telling.neighbour(neighbour).await?;
    }
    telling.left(&account, &neighbours).await?;
    let mut news = telling.news;
    // Others' mailboxes have the subscriptions of the one who looks.
    if news.mailboxes.iter().any(is_others) {
        let subscriptions: HashSet<String> = account.subscriptions().await?.into_iter().collect();
        for happened in &mut news.mailboxes {
            happened.subscribed = subscriptions.contains(&happened.name);
        }
    }
    Ok(Answer::News(Box::new(news)))
}

fn is_others<S>(happened: &MailboxNews<S>) -> bool {
    let name = &happened.name;
    Account::OTHERS.iter().any(|level| name.starts_with(level))
}

/// An answer in the making.
struct Telling<'a> {
    since: &'a [Mark],
    news: News,
}

impl Telling<'_> {
    fn mark(&self, owner: Option<AccountId>) -> Option<Mark> {
        self.since.iter().copied().find(|mark| mark.owner == owner)
    }

    async fn own(&mut self, account: &Account) -> Outcome<()> {
        let modseq = match self.mark(None) {
            None => account.modseq().await?,
            Some(mark) => {
                let news = account.news(mark.modseq).await?;
                self.tell(account, "", news.mailboxes);
                self.news.notes = news.notes;
                news.modseq
            }
        };
        self.news.marks.push(Mark {
            owner: None,
            modseq,
        });
        Ok(())
    }

    async fn neighbour(&mut self, neighbour: &Neighbour) -> Outcome<()> {
        let there = &neighbour.account;
        let owner = Some(there.id());
        let modseq = match self.mark(owner) {
            None if self.since.is_empty() => there.modseq().await?,
            // What it shares was nobody's before, as far as this guest could see.
            None => {
                let news = there.first_news().await?;
                self.tell(there, &neighbour.prefix, news.mailboxes);
                news.modseq
            }
            Some(mark) => {
                let news = there.news(mark.modseq).await?;
                self.tell(there, &neighbour.prefix, news.mailboxes);
                news.modseq
            }
        };
        self.news.marks.push(Mark { owner, modseq });
        Ok(())
    }

    /// Tells the last of those that share nothing any more, or whose names nobody wants any more.
    async fn left(&mut self, account: &Account, neighbours: &[Neighbour]) -> Outcome<()> {
        let watched = |owner| neighbours.iter().any(|known| known.account.id() == owner);
        for mark in self.since {
            let owner = mark.owner.filter(|owner| !watched(*owner));
            // It may have gone since.
            let there = owner.and_then(|owner| account.neighbour(owner));
            if let Some(there) = there {
                let news = there.account.news(mark.modseq).await?;
                self.tell(&there.account, &there.prefix, news.mailboxes);
            }
        }
        Ok(())
    }

    fn tell(&mut self, there: &Account, prefix: &str, mailboxes: Vec<MailboxNews<Status>>) {
        let told = mailboxes.into_iter();
        let told = told.map(|news| news.under(prefix, |status| counts(there, &status)));
        self.news.mailboxes.extend(told);
    }
}
