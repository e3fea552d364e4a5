//! What clients do: commands thrown by dice, weighted as real clients give them.

use imap::ask::StoreMode;
use mail::{Flag, FlagSet, ModSeq, Uid, UidSet};

use super::client::{Client, Command, Memory};
use super::model::Model;
use super::notify::{Others, Selected, Watch};
use super::parts::text;

const FLAGS: [&str; 5] = ["\\Seen", "\\Deleted", "\\Flagged", "$Work", "\\Answered"];
/// The mailboxes that are used, if they are there.
pub(super) const NAMES: [&str; 4] = ["INBOX", "Work", "Play", "Other"];

/// From so many messages on there is more clearing up.
const CROWD: usize = 40;

/// The same throws for the same seed.
#[derive(Debug)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap() % sides.max(1)
    }

    pub(super) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())]
    }

    fn flags(&mut self, most: usize) -> String {
        let count = self.roll(most + 1);
        let flags: Vec<&str> = (0..count).map(|_| self.one(&FLAGS)).collect();
        flags.join(" ")
    }

    /// Some of these, as a set is written.
    fn set(&mut self, of: &[u32]) -> String {
        if of.is_empty() {
            return "1".to_owned();
        }
        let (one, other) = (self.one(of), self.one(of));
        match self.roll(6) {
            0 => "1:*".to_owned(),
            1 => format!("{one}:*"),
            2 => format!("{one}:{other}"),
            3 => format!("{one},{other}"),
            _ => one.to_string(),
        }
    }

    fn messages(&mut self, model: &mut Model) -> String {
        let count = if self.roll(4) == 0 {
            1 + self.roll(4)
        } else {
            1
        };
        let messages = (0..count).map(|_| {
            let flags = self.flags(2);
            format!(" ({flags}) {}", self.message(model))
        });
        messages.collect()
    }

    fn message(&mut self, model: &mut Model) -> String {
        if self.roll(4) == 0 {
            return format!("CATENATE {}", self.catenated(model));
        }
        let letter = text(model.letter());
        format!("{{{}+}}\r\n{letter}", letter.len())
    }
}

fn flag_set(names: &str) -> FlagSet {
    names.split(' ').filter_map(Flag::parse).collect()
}

fn plain(line: impl Into<String>) -> Command {
    Command {
        line: line.into(),
        ..Command::default()
    }
}

/// The next command of a client that rests.
pub(super) fn next(
    dice: &mut Dice,
    model: &mut Model,
    client: &Client,
    memories: &[Memory],
) -> Command {
    let Some(open) = &client.open else {
        return match dice.roll(14) {
            0..9 => select(dice, model, client, memories),
            9 => plain(format!(
                "APPEND {}{}",
                dice.one(&NAMES),
                dice.messages(model)
            )),
            10 => notify(dice),
            11 => plain(dice.one(&["IDLE", "NOOP", "LIST \"\" *"])),
            _ => mailboxes(dice, model),
        };
    };
    if lacks_names(client) && dice.roll(4) == 0 {
        return plain("LIST \"\" *");
    }
    if !open.is_current {
        let since = open.seed.0.max(1);
        return Command {
            fetches: true,
            catches_up: true,
            ..plain(format!("UID FETCH 1:* (FLAGS) (CHANGEDSINCE {since})"))
        };
    }
    if open.known.iter().any(|known| known.flags.is_none()) && dice.roll(2) == 0 {
        return news(dice, client);
    }
    if open.known.len() > CROWD && dice.roll(3) == 0 {
        return plain(dice.one(&["UID STORE 1:* +FLAGS (\\Deleted)", "EXPUNGE", "CLOSE"]));
    }
    match dice.roll(42) {
        0..5 => plain(format!(
            "APPEND {}{}",
            dice.one(&NAMES),
            dice.messages(model)
        )),
        5..14 => store(dice, client),
        14..17 => copy(dice, client, "COPY"),
        17..20 => copy(dice, client, "MOVE"),
        20 | 21 => plain("EXPUNGE"),
        22 => plain(format!("UID EXPUNGE {}", uids(dice, client))),
        23 => replace(dice, model, client),
        24 => search(dice, client),
        25 => keep(dice, client),
        26 => sort(dice, client),
        27..30 => fetch(dice, client),
        30 => vanished(dice, client),
        31 | 32 => plain("IDLE"),
        33 | 34 => plain("NOOP"),
        35 => plain(dice.one(&[
            "CHECK",
            "STATUS INBOX (MESSAGES)",
            "STATUS Work (MESSAGES UNSEEN UIDNEXT)",
            "LIST \"\" *",
            "ESEARCH IN (selected) ALL",
        ])),
        36 => plain(dice.one(&["CLOSE", "UNSELECT", "UNSELECT"])),
        37 => mailboxes(dice, model),
        38 => notify(dice),
        _ => select(dice, model, client, memories),
    }
}

/// True for a client that hears of names and does not know them yet.
fn lacks_names(client: &Client) -> bool {
    let watch = client.notify.as_ref();
    let others = watch.and_then(|watch| watch.others.as_ref());
    others.is_some_and(|others| others.names.is_none())
}

fn mailboxes(dice: &mut Dice, model: &Model) -> Command {
    let (one, other) = (dice.one(&NAMES), dice.one(&NAMES));
    plain(match dice.roll(8) {
        0 => format!("DELETE {one}"),
        1 => format!("RENAME {one} {other}"),
        2 => format!("SUBSCRIBE {one}"),
        _ => {
            let missing = NAMES.iter().find(|name| model.find(name).is_none());
            format!("CREATE {}", missing.unwrap_or(&one))
        }
    })
}

/// RFC 5465 §3.1
fn notify(dice: &mut Dice) -> Command {
    let mut watch = Watch::default();
    let mut line = format!("NOTIFY SET{}", dice.one(&["", " STATUS"]));
    let written = |flags: bool| if flags { " FlagChange" } else { "" };
    let selected = dice.one(&["", "selected", "selected", "selected-delayed"]);
    if !selected.is_empty() {
        let flags = dice.roll(4) > 0;
        let delayed = selected == "selected-delayed";
        watch.selected = Some(Selected { delayed, flags });
        let items = dice.one(&["", " (UID FLAGS)", " (FLAGS MODSEQ)"]);
        let flags = written(flags);
        line += &format!(" ({selected} (MessageNew{items} MessageExpunge{flags}))");
    }
    if dice.roll(3) > 0 {
        let flags = dice.roll(2) == 0;
        watch.others = Some(Others {
            flags,
            ..Others::default()
        });
        let flags = written(flags);
        line += &format!(" (personal (MailboxName MessageNew MessageExpunge{flags}))");
    }
    if watch.selected.is_none() && watch.others.is_none() {
        line = dice
            .one(&["NOTIFY NONE", "NOTIFY SET (selected NONE)"])
            .to_owned();
    }
    Command {
        notify: Some(watch),
        ..plain(line)
    }
}

fn select(dice: &mut Dice, model: &Model, client: &Client, memories: &[Memory]) -> Command {
    let verb = if dice.roll(6) == 0 {
        "EXAMINE"
    } else {
        "SELECT"
    };
    let memory = match dice.roll(2) {
        0 => memories.last(),
        _ => memories.get(dice.roll(memories.len())),
    };
    let memory = memory.filter(|_| dice.roll(3) > 0);
    let name = memory.and_then(|memory| model.folders[&memory.id].name.as_deref());
    let name = name.unwrap_or_else(|| dice.one(&NAMES));
    let Some(memory) = memory.filter(|_| client.condstore) else {
        let parameters = dice.one(&["", "", " (CONDSTORE)"]);
        return plain(format!("{verb} {name}{parameters}"));
    };
    let mut command = Command {
        memory: Some(memory.clone()),
        ..Command::default()
    };
    if !client.qresync {
        command.line = format!("{verb} {name} (CONDSTORE)");
        return command;
    }
    let mut known = String::new();
    if dice.roll(3) == 0 && !memory.messages.is_empty() {
        let uids: Vec<u32> = memory.messages.keys().copied().collect();
        let (one, other) = (dice.one(&uids), dice.one(&uids));
        let (low, high) = (one.min(other), one.max(other));
        let range = Uid::new(low).unwrap()..=Uid::new(high).unwrap();
        command.named = Some(UidSet::from_range(range));
        known = format!(" {low}:{high}");
    }
    let (validity, modseq) = (memory.validity, memory.modseq.0.max(1));
    command.line = format!("{verb} {name} (QRESYNC ({validity} {modseq}{known}))");
    command
}

/// Asks for the flags of messages the client has only heard of.
fn news(dice: &mut Dice, client: &Client) -> Command {
    let known = &client.open.as_ref().unwrap().known;
    let at = known.iter().position(|known| known.flags.is_none());
    let at = at.unwrap_or_default();
    let mods = if client.condstore { " MODSEQ" } else { "" };
    let by_uid = dice.roll(2) == 0 || client.uid_only;
    let line = if by_uid {
        format!("UID FETCH {}:* (FLAGS{mods})", known[at].uid)
    } else {
        format!("FETCH {}:* (UID FLAGS{mods})", at + 1)
    };
    Command {
        fetches: true,
        counts: !by_uid,
        ..plain(line)
    }
}

/// Any UIDs, there or not.
fn uids(dice: &mut Dice, client: &Client) -> String {
    let known = &client.open.as_ref().unwrap().known;
    let known: Vec<u32> = known.iter().map(|known| known.uid).collect();
    match dice.roll(8) {
        0 => format!("{}:{}", 1 + dice.roll(50), 1 + dice.roll(5_000)),
        _ => dice.set(&known),
    }
}

/// A set for a command with UIDs or numbers, and `UID ` before it.
fn numbered(dice: &mut Dice, client: &Client) -> (&'static str, String) {
    let count = client.open.as_ref().unwrap().known.len();
    if count == 0 || client.uid_only || dice.roll(2) == 0 {
        return ("UID ", uids(dice, client));
    }
    let seqs: Vec<u32> = (1..=u32::try_from(count).unwrap()).collect();
    ("", dice.set(&seqs))
}

fn since(dice: &mut Dice, client: &Client) -> u64 {
    let highest = client.open.as_ref().unwrap().highest.0;
    let back = u64::try_from(dice.roll(30)).unwrap();
    highest.saturating_sub(back).max(1)
}

fn store(dice: &mut Dice, client: &Client) -> Command {
    let (uid, set) = numbered(dice, client);
    let (sign, mode) = dice.one(&[
        ("+", StoreMode::Add),
        ("+", StoreMode::Add),
        ("-", StoreMode::Remove),
        ("", StoreMode::Replace),
    ]);
    let flags = dice.flags(2);
    let silent = dice.roll(2) == 0;
    let unchanged = match dice.roll(4) {
        0 => format!(" (UNCHANGEDSINCE {})", since(dice, client)),
        _ => String::new(),
    };
    let word = if silent { "FLAGS.SILENT" } else { "FLAGS" };
    let (these, flag_set) = (chosen(client, uid, &set), flag_set(&flags));
    Command {
        counts: uid.is_empty(),
        silent: silent.then_some((these, mode, flag_set)),
        ..plain(format!(
            "{uid}STORE {set}{unchanged} {sign}{word} ({flags})"
        ))
    }
}

/// The messages that the client means.
fn chosen(client: &Client, uid: &str, set: &str) -> UidSet {
    let known = &client.open.as_ref().unwrap().known;
    let last = match uid {
        "" => u32::try_from(known.len()).unwrap(),
        _ => known.last().map_or(1, |known| known.uid),
    };
    let number = |text: &str| {
        if text == "*" {
            last
        } else {
            text.parse().unwrap()
        }
    };
    let mut chosen = UidSet::new();
    for range in set.split(',') {
        let (one, other) = range.split_once(':').unwrap_or((range, range));
        let (one, other) = (number(one), number(other));
        let within = one.min(other)..=one.max(other);
        for (at, known) in known.iter().enumerate() {
            let seq = u32::try_from(at).unwrap() + 1;
            if within.contains(if uid.is_empty() { &seq } else { &known.uid }) {
                chosen.insert(Uid::new(known.uid).unwrap());
            }
        }
    }
    chosen
}

fn copy(dice: &mut Dice, client: &Client, verb: &str) -> Command {
    let (uid, set) = numbered(dice, client);
    plain(format!("{uid}{verb} {set} {}", dice.one(&NAMES)))
}

fn replace(dice: &mut Dice, model: &mut Model, client: &Client) -> Command {
    let known = &client.open.as_ref().unwrap().known;
    if known.is_empty() {
        return plain("NOOP");
    }
    let at = dice.roll(known.len());
    let (uid, number) = match dice.roll(2) {
        _ if client.uid_only => ("UID ", known[at].uid),
        0 => ("UID ", known[at].uid),
        _ => ("", u32::try_from(at).unwrap() + 1),
    };
    let (flags, name) = (dice.flags(2), dice.one(&NAMES));
    let message = dice.message(model);
    plain(format!("{uid}REPLACE {number} {name} ({flags}) {message}"))
}

fn key(dice: &mut Dice, client: &Client) -> String {
    match dice.roll(7) {
        0 => "ALL".to_owned(),
        1 => "DELETED".to_owned(),
        2 => "NOT KEYWORD $Work".to_owned(),
        3 => "OR SEEN FLAGGED".to_owned(),
        4 if client.condstore => format!("MODSEQ {}", since(dice, client)),
        5 => format!("UID {}", uids(dice, client)),
        _ => "UNSEEN UNDELETED".to_owned(),
    }
}

fn prefix(dice: &mut Dice, client: &Client) -> &'static str {
    let uid = dice.one(&["", "UID "]);
    if client.uid_only { "UID " } else { uid }
}

fn search(dice: &mut Dice, client: &Client) -> Command {
    let uid = prefix(dice, client);
    let returning = dice.one(&["", "", "RETURN (ALL COUNT) "]);
    Command {
        counts: uid.is_empty(),
        ..plain(format!("{uid}SEARCH {returning}{}", key(dice, client)))
    }
}

fn sort(dice: &mut Dice, client: &Client) -> Command {
    let uid = prefix(dice, client);
    let by = dice.one(&["ARRIVAL", "REVERSE SUBJECT", "SIZE"]);
    Command {
        counts: uid.is_empty(),
        ..plain(format!("{uid}SORT ({by}) UTF-8 {}", key(dice, client)))
    }
}

/// A result to be kept up to date, or no longer.
fn keep(dice: &mut Dice, client: &Client) -> Command {
    let open = client.open.as_ref().unwrap();
    if let Some(kept) = open.kept.first().filter(|_| dice.roll(6) == 0) {
        return plain(format!("CANCELUPDATE \"{}\"", kept.tag));
    }
    let uid = prefix(dice, client);
    let key = match dice.roll(6) {
        0 => format!("UID {}:*", 1 + dice.roll(50)),
        1 if !open.known.is_empty() && !client.uid_only => format!("NOT 1:{}", open.known.len()),
        _ => key(dice, client),
    };
    // What `*` is among other numbers is only known to the server.
    let starred = key.contains('*') && !key.ends_with(":*") || key.contains(',');
    let key = if starred { "SEEN".to_owned() } else { key };
    let update = dice.one(&["UPDATE", "UPDATE", "UPDATE (FLAGS)"]);
    let verb = match dice.roll(2) {
        0 => format!("SEARCH RETURN ({update} ALL) {key}"),
        _ => {
            let by = dice.one(&["REVERSE ARRIVAL", "SUBJECT", "SIZE REVERSE SUBJECT"]);
            format!("SORT RETURN (ALL {update}) ({by}) UTF-8 {key}")
        }
    };
    Command {
        counts: uid.is_empty(),
        ..plain(format!("{uid}{verb}"))
    }
}

fn fetch(dice: &mut Dice, client: &Client) -> Command {
    let (uid, set) = numbered(dice, client);
    let items = dice.one(&[
        "FLAGS",
        "UID FLAGS",
        "FLAGS BODY[]",
        "UID BODY.PEEK[]",
        "BODY[]",
    ]);
    let mods = match dice.roll(3) {
        0 if client.condstore => " MODSEQ",
        _ => "",
    };
    let changed = match dice.roll(4) {
        0 => format!(" (CHANGEDSINCE {})", since(dice, client)),
        _ => String::new(),
    };
    Command {
        counts: uid.is_empty(),
        fetches: true,
        ..plain(format!("{uid}FETCH {set} ({items}{mods}){changed}"))
    }
}

/// RFC 7162 §3.2.6
fn vanished(dice: &mut Dice, client: &Client) -> Command {
    if !client.qresync {
        return plain("NOOP");
    }
    let since = since(dice, client);
    Command {
        fetches: true,
        asks_vanished: true,
        earlier: Some(ModSeq(since)),
        ..plain(format!(
            "UID FETCH 1:* (FLAGS) (CHANGEDSINCE {since} VANISHED)"
        ))
    }
}
