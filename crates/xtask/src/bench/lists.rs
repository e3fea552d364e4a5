//! Long lists: what SORT and THREAD cost for each message, at first and again.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail};
use interop::{Talk, expect};

use super::peer;
use super::table::Table;
use super::target::Target;

/// Messages of the mailbox where `CARAMEL_LETTERS` says nothing.
const LETTERS: u32 = 10_000;
/// Messages put in by one APPEND.
const BATCH: u32 = 100;

/// Runs every row for both servers, by turns.
pub(crate) fn run(binary: &Path, folder: &Path, rounds: usize, table: &mut Table) -> Result<()> {
    peer::by_turns(binary, folder, rounds, |target| rows(target, table))
}

fn rows(target: &Target, table: &mut Table) -> Result<()> {
    let letters = std::env::var("CARAMEL_LETTERS").ok();
    let letters: u32 = letters
        .and_then(|text| text.parse().ok())
        .unwrap_or(LETTERS);
    let (mut talk, _) = Talk::open(target.imap)?;
    talk.imap_login(&target.login("u0"), "secret")?;
    for (name, command) in [
        ("SORT (SUBJECT)", "SORT (SUBJECT) UTF-8 ALL"),
        ("SORT (REVERSE DATE)", "SORT (REVERSE DATE) UTF-8 ALL"),
        ("THREAD REFERENCES", "THREAD REFERENCES UTF-8 ALL"),
    ] {
        // Each has a mailbox of its own, in which nobody has looked at anything.
        let mailbox = name.split([' ', '(', ')']).collect::<String>();
        expect(talk.imap(&format!("CREATE {mailbox}"))?.last(), "t OK")?;
        fill(&mut talk, &mailbox, letters)?;
        expect(talk.imap(&format!("SELECT {mailbox}"))?.last(), "t OK")?;
        for time in ["first", "again"] {
            let (before, begun) = (target.cost(), Instant::now());
            let lines = talk.imap(command)?;
            let wall = begun.elapsed().as_secs_f64();
            let cpu = target.cost().since(before).cpu_seconds;
            let data = lines.first().map_or("", String::as_str);
            let told = data.split(|letter: char| !letter.is_ascii_digit());
            let told = told.filter(|number| !number.is_empty()).count();
            if usize::try_from(letters).ok() != Some(told) {
                bail!("{}: {command}: {told} messages of {letters}", target.name);
            }
            let each = |seconds: f64| seconds * 1e6 / f64::from(letters);
            let row = format!("{name}, {time}");
            table.note(&format!("{row}, CPU us a message"), target.name, each(cpu));
            table.note(&format!("{row}, ms"), target.name, wall * 1000.0);
        }
    }
    expect(talk.imap("LOGOUT")?.last(), "t OK")?;
    Ok(())
}

/// Puts in conversations of ten letters, each letter answering the one before.
fn fill(talk: &mut Talk, mailbox: &str, letters: u32) -> Result<()> {
    for batch in 0..letters / BATCH {
        let mut command = format!("t APPEND {mailbox}");
        for number in batch * BATCH..(batch + 1) * BATCH {
            let letter = letter(number);
            command.push_str(&format!(" {{{}+}}\r\n{letter}", letter.len()));
        }
        command.push_str("\r\n");
        talk.send(command.as_bytes())?;
        expect(talk.imap_response()?.last(), "t OK")?;
    }
    Ok(())
}

fn letter(number: u32) -> String {
    let (talk, place) = (number / 10, number % 10);
    // No order in the subjects.
    let subject = talk.wrapping_mul(2_654_435_761) % 100_000;
    let reply = if place > 0 { "Re: " } else { "" };
    let mut references = String::new();
    for before in talk * 10..number {
        references.push_str(&format!("\r\n <{before}.letter@conversations.example>"));
    }
    if place > 0 {
        references = format!("References:{references}\r\n");
    }
    format!(
        "From: Writer {place} <writer{place}@conversations.example>\r\n\
         To: Everybody <all@conversations.example>\r\nSubject: {reply}On {subject} and more\r\n\
         Date: Thu, 26 Nov 2026 {:02}:{:02}:00 +0000\r\n\
         Message-ID: <{number}.letter@conversations.example>\r\n{references}\r\n\
         A few words.\r\n",
        number / 60 % 24,
        number % 60,
    )
}
