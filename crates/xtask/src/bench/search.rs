//! Searching text: what the index spares, what it costs, beside Dovecot, which reads every message.
//!
//! `CARAMEL_SEARCH_MESSAGES` says how many (10,000); each has some three kilobytes of words that
//! are as unevenly common as those of a language, and a signature in its header.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use interop::{Server, Talk, expect};

use super::table::Table;
use super::target::Target;
use super::{peer, target};

/// Messages of one command that fills the mailbox.
const BATCH: usize = 100;
/// Words there are.
const VOCABULARY: u64 = 20_000;
/// Words of one body.
const WORDS: u64 = 300;

/// What is looked for, with the name of its row.
const NEEDLES: [(&str, &str); 5] = [
    ("a word that is nowhere", "quixotryx"),
    ("a word in one message", "solitaryword"),
    ("half a word in one message", "litaryw"),
    ("a word in every hundredth message", "hundredth"),
    ("runs in every message, the word in none", "zqzqzqzq"),
];

/// Runs every row for both servers.
pub(crate) fn run(binary: &Path, folder: &Path, rounds: usize, table: &mut Table) -> Result<()> {
    let messages = std::env::var("CARAMEL_SEARCH_MESSAGES")
        .ok()
        .and_then(|text| text.replace('_', "").parse().ok())
        .unwrap_or(10_000);
    let place = folder.join("caramel");
    fs::create_dir_all(&place)?;
    let (server, ours) = target::caramel(binary, &place)?;
    let octets = fill(&ours, messages)?;
    let server = cost(server, &ours, (messages, octets), table)?;
    let ours = target::again(&server);
    rows(&ours, rounds, table)?;
    drop(server);
    let peer = peer::Peer::start(&folder.join("peer"))?;
    fill(peer.target(), messages)?;
    rows(peer.target(), rounds, table)
}

/// Puts so many messages into a mailbox; says how many octets they have.
fn fill(target: &Target, messages: usize) -> Result<usize> {
    let (mut talk, _) = Talk::open(target.imap)?;
    talk.imap_login(&target.login("ada"), "secret")?;
    let mut octets = 0;
    let mut batch = String::new();
    for number in 0..messages {
        let text = message(number, messages);
        octets += text.len();
        if batch.is_empty() {
            batch.push_str("t APPEND INBOX");
        }
        write!(batch, " {{{}+}}\r\n{text}", text.len())?;
        if (number + 1) % BATCH == 0 || number + 1 == messages {
            batch.push_str("\r\n");
            talk.send(batch.as_bytes())?;
            expect(talk.imap_response()?.last(), "t OK")?;
            batch.clear();
        }
    }
    Ok(octets)
}

/// What the index costs: it is thrown away and made again while nothing else is done.
fn cost(
    mut server: Server,
    target: &Target,
    (messages, octets): (usize, usize),
    table: &mut Table,
) -> Result<Server> {
    wait_for_index(&server, target, messages)?;
    server.stop();
    server.command(&["store", "rebuild"], "")?;
    server.run()?;
    let target = target::again(&server);
    let before = target.cost();
    let begun = Instant::now();
    let size = wait_for_index(&server, &target, messages)?;
    let seconds = begun.elapsed().as_secs_f64();
    let after = target.cost();
    let cpu = after.since(before).cpu_seconds;
    let count = f64::from(u32::try_from(messages)?);
    let name = target.name;
    table.note("indexing, CPU ms a message", name, cpu * 1000.0 / count);
    table.note("indexing, ms a message", name, seconds * 1000.0 / count);
    let share = f64::from(u32::try_from(size / 1024)?) / f64::from(u32::try_from(octets / 1024)?);
    let kib = f64::from(u32::try_from(after.private_octets / 1024)?);
    table.note("memory behind it, MiB", name, kib / 1024.0);
    table.note("index, octets by octets of mail", name, share);
    Ok(server)
}

/// Waits until nearly all messages are in the index; says how many octets it has.
fn wait_for_index(server: &Server, target: &Target, messages: usize) -> Result<u64> {
    // An account that nobody opens is not looked at.
    target.messages("ada")?;
    let begun = Instant::now();
    let waiting_max = 64;
    loop {
        let (mut octets, mut covered) = (0, 0);
        for folder in fs::read_dir(server.data().join("store/derived"))
            .into_iter()
            .flatten()
        {
            for file in fs::read_dir(folder?.path())? {
                let file = file?;
                // Its name is the first id it covers, and the last.
                let name = file.file_name();
                let last = name.to_str().and_then(|name| name.get(16..));
                let last = last.and_then(|last| usize::from_str_radix(last, 16).ok());
                covered = covered.max(last.unwrap_or(0));
                // One that was merged meanwhile is gone.
                octets += file.metadata().map_or(0, |metadata| metadata.len());
            }
        }
        if covered + waiting_max > messages {
            return Ok(octets);
        }
        if begun.elapsed() > Duration::from_secs(600) {
            bail!("the index ends at {covered}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn rows(target: &Target, rounds: usize, table: &mut Table) -> Result<()> {
    let (mut talk, _) = Talk::open(target.imap)?;
    talk.imap_login(&target.login("ada"), "secret")?;
    expect(talk.imap("SELECT INBOX")?.last(), "t OK")?;
    for (row, needle) in NEEDLES {
        for _ in 0..rounds {
            let before = target.cost();
            let begun = Instant::now();
            let lines = talk.imap(&format!("SEARCH TEXT {needle}"))?;
            let seconds = begun.elapsed().as_secs_f64();
            expect(lines.last(), "t OK")?;
            let found = lines.first().context("an answer")?.split(' ').count() - 2;
            println!("   {needle}: {found} found");
            let cpu = target.cost().since(before).cpu_seconds;
            table.note(&format!("{row}, ms"), target.name, seconds * 1000.0);
            table.note(&format!("{row}, CPU ms"), target.name, cpu * 1000.0);
        }
    }
    Ok(())
}

fn message(number: usize, messages: usize) -> String {
    let mut dice = Dice(u64::try_from(number).unwrap_or(0).wrapping_mul(0x9e37_79b9) + 88_172_645);
    let mut text = format!(
        "Received: from mx{}.elsewhere.example by mail.example; Mon, 23 Nov 2026 12:00:00 +0000\r\n\
         DKIM-Signature: v=1; a=rsa-sha256; d=elsewhere.example; s=k1; b={}\r\n\
         From: {} <s{}@elsewhere.example>\r\nTo: Ada <ada@bench.localhost>\r\nSubject: {} {}\r\n\
         Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nMessage-ID: <{number}.{}@elsewhere.example>\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n",
        number % 7,
        dice.base64(344),
        dice.word(),
        number % 500,
        dice.word(),
        dice.word(),
        dice.base64(16),
    );
    let mut column = 0;
    for _ in 0..WORDS / 2 + dice.below(WORDS) {
        let word = dice.word();
        column += word.len() + 1;
        text.push_str(&word);
        text.push_str(if column > 70 { "\r\n" } else { " " });
        column = if column > 70 { 0 } else { column };
    }
    if number == messages / 3 {
        text.push_str("solitaryword ");
    }
    if number.is_multiple_of(100) {
        text.push_str("hundredth ");
    }
    text.push_str("zqz qzq\r\n");
    text
}

/// A small generator of numbers and words.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    /// A word of the vocabulary: the nth is about 1/n as common as the first.
    fn word(&mut self) -> String {
        let most = VOCABULARY.ilog2();
        let level = self.below(u64::from(most) + 1);
        let mut rest = (1 << level) + self.below(1 << level);
        let syllables = [
            "er", "in", "an", "on", "re", "ti", "es", "or", "te", "al", "st", "ar", "nd", "to",
            "nt", "is", "of", "it", "ou", "ne", "le", "se", "de", "me", "co", "ch", "ra", "ro",
            "li", "ma", "ly", "pe",
        ];
        let mut word = String::new();
        rest = rest.wrapping_mul(2_654_435_761) >> 3;
        for _ in 0..2 + level / 5 {
            let at = usize::try_from(rest % 32).unwrap_or(0);
            word.push_str(syllables.get(at).copied().unwrap_or_default());
            rest /= 32;
        }
        word
    }

    fn base64(&mut self, len: usize) -> String {
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let letter = |_| {
            let at = usize::try_from(self.below(64)).unwrap_or(0);
            char::from(letters.get(at).copied().unwrap_or(b'A'))
        };
        (0..len).map(letter).collect()
    }
}
