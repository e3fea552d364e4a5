//! The mailboxes told for LIST and LSUB: the account's own, what others share with it, and
//! what was removed from it.

use std::collections::HashSet;

use imap::Answer;
use imap::ask::{Listed, Place};
use mail::{AccountId, Rights};
use post::{Account, Mailbox, Outcome};

pub(super) async fn answer(account: &Account, removed: bool) -> Outcome<Answer> {
    let own = account.mailboxes().await?.into_iter();
    let mut listed: Vec<Listed> = own.map(|mailbox| told(None, mailbox)).collect();
    let shared = account.shared_mailboxes().await?;
    listed.extend(
        shared
            .into_iter()
            .map(|(owner, mailbox)| told(Some(owner), mailbox)),
    );
    let subscriptions: HashSet<String> = account.subscriptions().await?.into_iter().collect();
    let is_removed = |name: &String| name.starts_with(Account::REMOVED_MAIL);
    if removed || subscriptions.iter().any(is_removed) {
        let removed = account.removed_mailboxes().await?.into_iter();
        listed.extend(removed.map(|(view, mailbox)| told(Some(view), mailbox)));
    }
    let mut known: HashSet<String> = listed.iter().map(|mailbox| mailbox.name.clone()).collect();
    for level in levels(&known) {
        known.insert(level.clone());
        listed.push(level_of(level));
    }
    for mailbox in &mut listed {
        mailbox.subscribed = subscriptions.contains(&mailbox.name);
    }
    let missing = subscriptions
        .into_iter()
        .filter(|name| !known.contains(name));
    listed.extend(missing.map(|name| Listed {
        subscribed: true,
        exists: false,
        ..level_of(name)
    }));
    Ok(Answer::Mailboxes(listed))
}

/// The levels above others' mailboxes that are none, or none that may be seen.
fn levels(known: &HashSet<String>) -> HashSet<String> {
    let shared = known
        .iter()
        .filter(|name| Account::OTHERS.iter().any(|level| name.starts_with(level)));
    let above = shared.flat_map(|name| {
        let levels = name.match_indices('/');
        levels.filter_map(|(at, _)| name.get(..at))
    });
    let missing = above.filter(|level| !known.contains(*level));
    missing.map(str::to_owned).collect()
}

fn told(owner: Option<AccountId>, mailbox: Mailbox) -> Listed {
    Listed {
        place: Some(Place {
            owner,
            mailbox: mailbox.id,
        }),
        name: mailbox.name,
        role: mailbox.role,
        subscribed: mailbox.subscribed,
        exists: true,
        selectable: mailbox.selectable,
        rights: mailbox.rights,
    }
}

fn level_of(name: String) -> Listed {
    Listed {
        place: None,
        name,
        role: None,
        subscribed: false,
        exists: true,
        selectable: false,
        rights: Rights::NONE,
    }
}
