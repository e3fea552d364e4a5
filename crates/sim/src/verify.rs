//! Looks at an account as its owner would, and asks the oracle whether that can be.

use std::collections::BTreeMap;

use server::Protocol;

use crate::client::{Outcome, Trouble};
use crate::house::{House, PASSWORD, PEOPLE, address};
use crate::imap;
use crate::oracle::Oracle;
use crate::pop3;

/// Looks through an open conversation; at every octet if `whole`.
pub(crate) async fn look(
    client: &mut imap::Client,
    oracle: &Oracle,
    person: usize,
    whole: bool,
) -> Outcome<()> {
    let due = oracle.due(person);
    let mut seen = BTreeMap::new();
    for name in client.names().await? {
        let glimpse = client.glimpse(&name, whole).await?;
        seen.insert(name, glimpse);
    }
    let judged = oracle.judge(person, &seen, &due);
    judged.map_err(|flaw| Trouble::Wrong(format!("{}: {flaw}", address(person))))
}

/// Looks at everybody while nothing goes on.
///
/// # Errors
/// Says what is wrong.
pub(crate) async fn everybody(house: &House, oracle: &Oracle) -> Result<(), String> {
    for person in 0..PEOPLE.len() {
        let looked = async {
            let line = house.connect(Protocol::Imap);
            let mut client = imap::Client::login(line, &address(person), PASSWORD).await?;
            look(&mut client, oracle, person, true).await?;
            count(house, oracle, person).await
        };
        looked.await.map_err(|trouble| match trouble {
            Trouble::Wrong(what) => what,
            Trouble::Lost => format!("{} is not let in, or not answered", address(person)),
        })?;
    }
    oracle.settle()
}

/// POP3 has to tell of as many letters as IMAP.
async fn count(house: &House, oracle: &Oracle, person: usize) -> Outcome<()> {
    let line = house.connect(Protocol::Pop3);
    let mut client = pop3::Client::login(line, &address(person), PASSWORD).await?;
    let count = client.count().await?;
    let known = oracle.mailboxes(person);
    let inbox = known.get("INBOX").map_or(0, |inbox| inbox.letters.len());
    if usize::try_from(count) != Ok(inbox) {
        let what = format!("POP3 tells of {count} letters and not {inbox}");
        return Err(Trouble::Wrong(what));
    }
    client.quit().await.map(drop)
}
