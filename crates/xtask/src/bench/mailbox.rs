//! Large mailboxes: what each command costs the server for each message, by IMAP and POP3.
//!
//! Only the server's processor time counts: it is the steadiest figure on a machine that does
//! other things as well.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use interop::Server;

use super::letter::letter;
use super::link::Link;
use super::table::Table;
use super::target::{self, Target};
use super::{mix, order, peer, pop3, raw};

/// Messages in the mailbox, unless `CARAMEL_MESSAGES` says otherwise.
const MESSAGES: usize = 10_000;
/// Messages that are appended and measured; more are put in unmeasured.
const MEASURED_MESSAGES: usize = 100_000;
/// Messages of one MULTIAPPEND.
const TOGETHER: usize = 100;
/// Messages that are appended one by one.
const SINGLES: usize = 1000;
/// The row of those; beside it stands the least that a durable answer costs here.
const SINGLE_ROW: &str = "APPEND, one by one, per message";
/// What can be done again is, for so long: the kernel counts processor time in steps of 10 ms.
const AGAIN: Duration = Duration::from_millis(600);
/// As often at most.
const AGAIN_MAX: u32 = 20_000;
/// A server is quiet if it takes next to no processor time for so long: longer than it waits before
/// it begins with what nobody waits for.
const QUIET: Duration = Duration::from_millis(1200);
/// Processor time that is next to none, seconds.
const QUIET_SECONDS_MAX: f64 = 0.02;
/// It is not waited for longer: a million letters take some minutes to index.
const SETTLED_MAX: Duration = Duration::from_secs(900);
/// Messages whose every one-time step is measured once more would take too long above this.
const CYCLE_MESSAGES: usize = 30_000;

/// What is read of every message: the row's name and the items.
const READ: [(&str, &str); 6] = [
    ("FETCH FLAGS", "FLAGS"),
    ("FETCH ENVELOPE", "ENVELOPE"),
    (
        "FETCH HEADER.FIELDS",
        "BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)]",
    ),
    ("FETCH BODYSTRUCTURE", "BODYSTRUCTURE"),
    ("FETCH BODY[TEXT]", "BODY.PEEK[TEXT]"),
    ("FETCH BODY[]", "BODY.PEEK[]"),
];

/// What a server may have to work out when it is asked for the first time.
const FIRST: [&str; 2] = ["FETCH ENVELOPE", "FETCH BODYSTRUCTURE"];

/// Runs every row for both servers, by turns; or for the one named.
pub(crate) fn run(
    binary: &Path,
    folder: &Path,
    rounds: usize,
    only: Option<&str>,
    table: &mut Table,
) -> Result<()> {
    for round in 0..rounds {
        println!("round {}", round + 1);
        if only.is_none_or(|only| only == "caramel") {
            let place = folder.join(format!("mailbox-{round}"));
            std::fs::create_dir_all(&place)?;
            let (mut server, ours) = target::caramel(binary, &place)?;
            rows(&ours, None, table)?;
            let raw = raw::answers(&place, &letter(0), SINGLES)?;
            table.note(&format!("{SINGLE_ROW}, CPU µs"), "raw", raw);
            cold(&mut server, table)?;
        }
        if only.is_none_or(|only| only == "peer") {
            let peer = peer::Peer::start(&folder.join(format!("mailbox-peer-{round}")))?;
            rows(peer.target(), Some(&peer), table)?;
        }
    }
    Ok(())
}

/// How many messages are in the mailbox.
fn messages() -> usize {
    let asked = std::env::var("CARAMEL_MESSAGES").ok();
    asked
        .and_then(|text| text.parse().ok())
        .unwrap_or(MESSAGES)
        .max(TOGETHER)
}

/// One server under measurement.
pub(super) struct Bench<'a> {
    pub(super) target: &'a Target,
    pub(super) table: &'a mut Table,
    /// Messages in the mailbox.
    pub(super) messages: usize,
}

impl Bench<'_> {
    /// Microseconds of the server's time that `work` took, for each of `units`.
    pub(super) fn cost(
        &self,
        units: usize,
        work: impl FnOnce() -> Result<()>,
    ) -> Result<(f64, f64)> {
        let before = self.target.cpu_seconds();
        let begun = Instant::now();
        work()?;
        let wall = begun.elapsed().as_secs_f64();
        let cpu = self.target.cpu_seconds() - before;
        let units = f64::from(u32::try_from(units).unwrap_or(u32::MAX));
        Ok((cpu * 1e6 / units, wall))
    }

    /// Notes what one doing of `work` costs for each of `units`, doing it again for a while.
    pub(super) fn again(
        &mut self,
        row: &str,
        units: usize,
        mut work: impl FnMut(u32) -> Result<()>,
    ) -> Result<()> {
        let mut times = 0;
        let (total, _) = self.cost(units, || {
            let begun = Instant::now();
            while times == 0 || begun.elapsed() < AGAIN && times < AGAIN_MAX {
                work(times)?;
                times += 1;
            }
            Ok(())
        })?;
        self.note(row, total / f64::from(times));
        Ok(())
    }

    /// Waits until the server has done what it does behind its answers, such as making an index of
    /// what came last: that is measured elsewhere (`bench search`), and would count here.
    pub(super) fn settle(&self) {
        let begun = Instant::now();
        let mut before = self.target.cpu_seconds();
        while begun.elapsed() < SETTLED_MAX {
            std::thread::sleep(QUIET);
            let now = self.target.cpu_seconds();
            if now - before < QUIET_SECONDS_MAX {
                return;
            }
            before = now;
        }
    }

    pub(super) fn note(&mut self, row: &str, figure: f64) {
        let row = format!("{row}, CPU µs");
        self.table.note(&row, self.target.name, figure);
    }
}

/// Runs every row for one server.
pub(super) fn rows(target: &Target, peer: Option<&peer::Peer>, table: &mut Table) -> Result<()> {
    let mut bench = Bench {
        target,
        table,
        messages: messages(),
    };
    let mut link = Link::imap(target.imap, &target.login("ada"))?;
    fill(&mut bench, &mut link)?;
    drop(link);
    fill_up(&bench, peer)?;
    bench.settle();
    let mut link = Link::imap(target.imap, &target.login("ada"))?;
    order::memory(&mut bench, "filled");
    read(&mut bench, &mut link)?;
    order::memory(&mut bench, "read");
    drop(link);
    order::rows(&mut bench, peer)?;
    let mut link = Link::imap(target.imap, &target.login("ada"))?;
    write(&mut bench, &mut link)?;
    order::memory(&mut bench, "written");
    drop(link);
    mix::rows(&mut bench)?;
    if target.pop3.is_some() {
        pop3::rows(&mut bench)?;
    }
    Ok(())
}

/// What the first to come after a restart waits for, and the second.
fn cold(server: &mut Server, table: &mut Table) -> Result<()> {
    server.stop();
    server.run()?;
    let target = target::again(server);
    let mut bench = Bench {
        target: &target,
        table,
        messages: messages(),
    };
    for time in ["after a restart", "once more"] {
        let (cost, wall) = bench.cost(1, || {
            let mut link = Link::imap(target.imap, &target.login("ada"))?;
            link.run("SELECT INBOX")
        })?;
        bench.note(&format!("login and SELECT, {time}"), cost);
        let row = format!("login and SELECT, {time}, ms");
        bench.table.note(&row, target.name, wall * 1000.0);
    }
    order::memory(&mut bench, "opened after a restart");
    Ok(())
}

/// Messages `from..to` into a mailbox, some together; returns when all are there.
pub(super) fn append(
    link: &mut Link,
    mailbox: &str,
    numbers: std::ops::Range<usize>,
) -> Result<()> {
    let mut from = numbers.start;
    while from < numbers.end {
        let to = (from + TOGETHER).min(numbers.end);
        let mut command = format!("t APPEND {mailbox}");
        for number in from..to {
            let letter = letter(number);
            command.push_str(&format!(" {{{}+}}\r\n{letter}", letter.len()));
        }
        command.push_str("\r\n");
        link.send(command.as_bytes())?;
        link.end().context("MULTIAPPEND")?;
        from = to;
    }
    Ok(())
}

fn fill(bench: &mut Bench<'_>, link: &mut Link) -> Result<()> {
    for name in ["single", "copy", "away"] {
        link.run(&format!("CREATE {name}"))?;
    }
    let (cost, _) = bench.cost(SINGLES, || {
        (0..SINGLES).try_for_each(|number| append(link, "single", number..number + 1))
    })?;
    bench.note(SINGLE_ROW, cost);
    let count = bench.messages.min(MEASURED_MESSAGES);
    let before = bench.target.index_seconds();
    let (cost, _) = bench.cost(count, || append(link, "INBOX", 0..count))?;
    let index = bench.target.index_seconds() - before;
    bench.note("MULTIAPPEND, per message", cost);
    let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    bench.note(
        "MULTIAPPEND, but for the index of texts",
        cost - index * 1e6 / count,
    );
    Ok(())
}

/// Puts in what is left: that nobody measures, and with the peer nothing is synced.
fn fill_up(bench: &Bench<'_>, peer: Option<&peer::Peer>) -> Result<()> {
    let rest = MEASURED_MESSAGES..bench.messages;
    if rest.is_empty() {
        return Ok(());
    }
    let work = || {
        let target = bench.target;
        let mut link = Link::imap(target.imap, &target.login("ada"))?;
        append(&mut link, "INBOX", rest)
    };
    match peer {
        Some(peer) => peer.hurried(work),
        None => work(),
    }
}

fn read(bench: &mut Bench<'_>, link: &mut Link) -> Result<()> {
    bench.again("SELECT, per command", 1, |_| link.run("SELECT INBOX"))?;
    let count = bench.messages;
    for (row, items) in READ {
        let command = format!("FETCH 1:* ({items})");
        let (first, _) = bench.cost(count, || link.run(&command))?;
        if FIRST.contains(&row) {
            bench.note(&format!("{row}, first time, per message"), first);
        }
        let row = format!("{row}, per message");
        bench.again(&row, count, |_| link.run(&command))?;
    }
    Ok(())
}

fn write(bench: &mut Bench<'_>, link: &mut Link) -> Result<()> {
    let count = bench.messages;
    link.run("SELECT INBOX")?;
    bench.again("STORE 1:* FLAGS, per message", count, |time| {
        let sign = if time % 2 == 0 { '+' } else { '-' };
        link.run(&format!("STORE 1:* {sign}FLAGS (\\Flagged)"))
    })?;
    let cycles = (CYCLE_MESSAGES / count).max(1);
    let [mut copied, mut moved, mut removed] = [0.0; 3];
    for _ in 0..cycles {
        link.run("SELECT INBOX")?;
        copied += bench.cost(count, || link.run("COPY 1:* copy"))?.0;
        link.run("SELECT copy")?;
        moved += bench.cost(count, || link.run("MOVE 1:* away"))?.0;
        link.run("SELECT away")?;
        link.run("STORE 1:* +FLAGS.SILENT (\\Deleted)")?;
        removed += bench.cost(count, || link.run("EXPUNGE"))?.0;
    }
    let cycles = f64::from(u32::try_from(cycles).unwrap_or(u32::MAX));
    bench.note("COPY 1:*, per message", copied / cycles);
    bench.note("MOVE 1:*, per message", moved / cycles);
    bench.note("EXPUNGE of copies, per message", removed / cycles);
    // The last to have them: what they were goes with them.
    let own = count.min(CYCLE_MESSAGES);
    append(link, "away", count..count + own)?;
    link.run("SELECT away")?;
    link.run("STORE 1:* +FLAGS.SILENT (\\Deleted)")?;
    let (cost, _) = bench.cost(own, || link.run("EXPUNGE"))?;
    bench.note("EXPUNGE, per message", cost);
    Ok(())
}
