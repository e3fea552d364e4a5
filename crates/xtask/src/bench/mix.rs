//! Twenty people at work: each reads, marks, searches and looks around in a mailbox of their own
//! account; two connections share one.

use anyhow::{Result, bail};

use super::link::Link;
use super::mailbox::{Bench, append};
use super::target::Target;

const CONNECTIONS: usize = 20;
/// Messages in each account.
const MESSAGES: usize = 500;
/// Times that each connection does all of it.
const TURNS: usize = 30;

/// The row of the mix.
pub(super) fn rows(bench: &mut Bench<'_>) -> Result<()> {
    for user in 0..CONNECTIONS / 2 {
        let name = bench.target.login(&format!("u{user}"));
        let mut link = Link::imap(bench.target.imap, &name)?;
        append(&mut link, "INBOX", 0..MESSAGES)?;
    }
    let mut links = Vec::new();
    for index in 0..CONNECTIONS {
        links.push(open(bench.target, index)?);
    }
    // What large commands left behind is not the mix's, nor is the index of what was just put in.
    bench.settle();
    let operations = CONNECTIONS * TURNS * work(0, 0).len();
    let (cost, _) = bench.cost(operations, || {
        std::thread::scope(|scope| {
            let people: Vec<_> = links
                .iter_mut()
                .enumerate()
                .map(|(index, link)| scope.spawn(move || person(link, index)))
                .collect();
            people
                .into_iter()
                .try_for_each(|person| match person.join() {
                    Ok(result) => result,
                    Err(_) => bail!("a connection of the mix panicked"),
                })
        })
    })?;
    bench.note("a mix, 20 connections, per command", cost);
    Ok(())
}

fn open(target: &Target, index: usize) -> Result<Link> {
    let mut link = Link::imap(target.imap, &target.login(&format!("u{}", index / 2)))?;
    link.run("SELECT INBOX")?;
    Ok(link)
}

fn person(link: &mut Link, index: usize) -> Result<()> {
    for turn in 0..TURNS {
        for command in work(index, turn) {
            link.run(&command)?;
        }
    }
    Ok(())
}

fn work(index: usize, turn: usize) -> [String; 8] {
    let one = (index * 37 + turn * 11) % (MESSAGES - 20) + 1;
    [
        "NOOP".to_owned(),
        "STATUS INBOX (MESSAGES UNSEEN UIDNEXT)".to_owned(),
        format!("FETCH {one}:{} (FLAGS UID ENVELOPE)", one + 19),
        format!("FETCH {one} (BODYSTRUCTURE)"),
        format!("FETCH {one} (BODY[])"),
        format!("STORE {one} +FLAGS (\\Answered)"),
        "SEARCH UNSEEN".to_owned(),
        "LIST \"\" *".to_owned(),
    ]
}
