//! POP3: fetching a thousand messages, and looking at a large maildrop.

use anyhow::{Context as _, Result};

use super::link::Link;
use super::mailbox::{Bench, append};

/// Messages that are fetched.
const MESSAGES: usize = 1000;

/// Both rows.
pub(super) fn rows(bench: &mut Bench<'_>) -> Result<()> {
    let login = bench.target.login("alan");
    let mut link = Link::imap(bench.target.imap, &login)?;
    append(&mut link, "INBOX", 0..MESSAGES)?;
    drop(link);
    bench.settle();
    let all: String = (1..=MESSAGES)
        .map(|number| format!("RETR {number}\r\n"))
        .collect();
    let target = bench.target;
    bench.again("POP3 RETR of 1,000, per message", MESSAGES, |_| {
        let mut link = open(target, &login)?;
        link.send(all.as_bytes())?;
        multilines(&mut link, MESSAGES)?;
        quit(&mut link)
    })?;
    let login = target.login("ada");
    bench.again(
        "POP3 login, UIDL, LIST of a large one, per message",
        bench.messages,
        |_| {
            let mut link = open(target, &login)?;
            for command in ["UIDL\r\n", "LIST\r\n"] {
                link.send(command.as_bytes())?;
                multilines(&mut link, 1)?;
            }
            quit(&mut link)
        },
    )
}

fn open(target: &super::target::Target, login: &str) -> Result<Link> {
    let address = target.pop3.context("a POP3 port")?;
    let mut link = Link::open(address)?;
    for command in [format!("USER {login}\r\n"), "PASS secret\r\n".to_owned()] {
        link.send(command.as_bytes())?;
        link.until(|heard| heard.ends_with(b"\r\n"))?;
    }
    Ok(link)
}

fn quit(link: &mut Link) -> Result<()> {
    link.send(b"QUIT\r\n")?;
    link.until(|heard| heard.ends_with(b"\r\n"))
}

/// Hears so many replies of several lines: each ends with a dot on a line of its own.
fn multilines(link: &mut Link, count: usize) -> Result<()> {
    link.ends(b"\r\n.\r\n", count)
}
