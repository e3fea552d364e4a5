//! What the client makes of what it hears, and what must be true of it.

use std::collections::BTreeMap;

use imap::response::{Code, Condition, Esearch, FetchData, Status};
use imap::{Names, Response, SequenceSet};
use mail::{FlagSet, SeqNo, Uid, UidSet};

use super::client::{Client, Command, Known, Memory, Open};
use super::kept::expanded;
use super::model::{Model, numbers, stored};
use super::notify::Watch;

impl Client {
    /// Takes whole responses out of what came.
    pub(super) fn hear(&mut self, model: &mut Model, octets: &[u8]) {
        self.heard.extend_from_slice(octets);
        while let Some(end) = whole(&self.heard) {
            let frame: Vec<u8> = self.heard.drain(..end).collect();
            let frame = frame.strip_suffix(b"\r\n").unwrap();
            let line = String::from_utf8_lossy(frame).into_owned();
            self.note(&format!("S: {line}"));
            let names = if self.rev2 { Names::Utf8 } else { Names::Utf7 };
            let response = Response::parse(frame, names).unwrap();
            self.take(model, response);
        }
    }

    fn take(&mut self, model: &mut Model, response: Response) {
        let greets = matches!(&response, Response::Untagged(_)) && self.log.len() == 1;
        let bye =
            matches!(&response, Response::Untagged(status) if status.condition == Condition::Bye);
        // RFC 9051 §7.5.1: with no command in progress the server has nothing to say.
        assert!(
            greets || bye || self.command.is_some() || self.hears_at_once(),
            "unasked: {response:?}"
        );
        match response {
            Response::Tagged(tag, status) => self.ends(model, tag.as_str(), &status),
            Response::Untagged(status) => self.code(model, &status),
            Response::Continue(_) => self.idles = true,
            Response::Exists(count) => self.exists(model, count),
            Response::Expunge(seq) => {
                let by_uid = self.qresync || self.uid_only;
                assert!(!by_uid, "EXPUNGE where VANISHED was asked for");
                let at = usize::try_from(seq.value()).unwrap() - 1;
                let open = self.open.as_mut().unwrap();
                assert!(at < open.known.len(), "no message {seq} to expunge");
                let uid = open.known[at].uid;
                self.goes(model, uid);
            }
            Response::Vanished {
                earlier: false,
                uids,
            } => {
                let by_uid = self.qresync || self.uid_only;
                assert!(by_uid, "VANISHED was not asked for");
                numbers(&uids)
                    .into_iter()
                    .for_each(|uid| self.goes(model, uid));
            }
            Response::Vanished {
                earlier: true,
                uids,
            } => self.went_before(model, &uids),
            Response::Fetch(seq, data) => {
                assert!(!self.uid_only, "a number where UIDs were asked for");
                let at = usize::try_from(seq.value()).unwrap() - 1;
                self.fetched(model, at, &data);
            }
            Response::UidFetch(uid, data) => {
                assert!(self.uid_only, "UIDFETCH was not asked for");
                let known = self.open.as_ref().unwrap().known.iter();
                let mut known = known.map(|known| known.uid);
                let at = known.position(|known| known == uid.value());
                self.fetched(model, at.unwrap_or(usize::MAX), &data);
            }
            Response::Status(name, values) => self.counted(model, &name, &values),
            Response::List(listing) => self.listed(&listing),
            Response::Search(found, _) => self.found(found, None),
            Response::Sort(found, _) => self.found(found, None),
            Response::Esearch(esearch) if !esearch.updates.is_empty() => self.updated(&esearch),
            Response::Esearch(esearch) => {
                self.check_name(model, &esearch);
                let all = listed(&esearch);
                self.found(all, Some(esearch.uid));
            }
            _ => {}
        }
    }

    fn code(&mut self, model: &mut Model, status: &Status) {
        match &status.code {
            Some(Code::Closed) => self.open = None,
            Some(Code::HighestModSeq(modseq)) => match (&mut self.command, &mut self.open) {
                (Some(command), _) => command.told.highest = Some(*modseq),
                (None, Some(open)) => open.highest = *modseq,
                (None, None) => panic!("HIGHESTMODSEQ of no mailbox"),
            },
            Some(Code::NotificationOverflow) if status.condition == Condition::Ok => {
                self.notify = Some(Watch::default());
            }
            Some(Code::NoUpdate(tag)) => {
                let open = self.open.as_mut().unwrap();
                open.kept.retain(|kept| kept.tag != tag.as_str());
            }
            Some(Code::UidValidity(validity)) => {
                let open = self.open.as_ref().unwrap();
                assert_eq!(model.folder(open.id).validity, *validity);
            }
            Some(Code::UidNext(uid)) => {
                let open = self.open.as_ref().unwrap();
                assert!(model.folder(open.id).last < uid.value(), "UIDNEXT {uid}");
            }
            _ => {}
        }
    }

    /// Messages came: those the house had when the server last looked.
    fn exists(&mut self, model: &mut Model, count: u32) {
        let open = self.open.as_mut().unwrap();
        let last = open.known.last().map_or(0, |known| known.uid);
        let new = model.folder(open.id).uids_at(open.looked);
        let new = new.into_iter().filter(|uid| *uid > last);
        open.known.extend(new.map(|uid| Known { uid, flags: None }));
        assert_eq!(open.known.len(), usize::try_from(count).unwrap(), "EXISTS");
    }

    fn goes(&mut self, model: &mut Model, uid: u32) {
        self.left(uid);
        let may = match &self.command {
            Some(command) => !command.counts,
            None => self.may_lose(),
        };
        let line = self.command.as_ref().map(|command| &command.line);
        assert!(may, "a message goes while {line:?} counts");
        let open = self.open.as_mut().unwrap();
        let at = open.known.iter().position(|known| known.uid == uid);
        open.known
            .remove(at.unwrap_or_else(|| panic!("{uid} goes, which nobody knows")));
        let message = &model.folder(open.id).message(uid);
        assert!(!message.lives_at(open.looked), "{uid} goes and is there");
    }

    /// RFC 7162 §3.2.5.1, §3.2.6
    fn went_before(&mut self, model: &mut Model, uids: &UidSet) {
        let open = self.open.as_ref().unwrap();
        let command = self.command.as_mut().unwrap();
        let since = command
            .earlier
            .expect("VANISHED (EARLIER) was not asked for");
        let forgets = model.forgets();
        let folder = model.folder(open.id);
        for uid in numbers(uids) {
            assert!(
                !open.known.iter().any(|known| known.uid == uid),
                "{uid} is there"
            );
            assert!(uid <= folder.last, "{uid} was never given");
            let named = command.named.as_ref();
            let named = named.is_none_or(|named| named.contains(Uid::new(uid).unwrap()));
            assert!(named, "{uid} was not asked about");
            let gone = folder.message(uid).gone_upto;
            assert!(gone > since || forgets, "{uid} went before {since:?}");
            if let Some(memory) = &mut command.memory {
                memory.messages.remove(&uid);
            }
        }
    }

    /// Something is told of the message at this place.
    fn fetched(&mut self, model: &mut Model, at: usize, data: &[FetchData]) {
        let open = self.open.as_mut().unwrap();
        let mut command = self.command.as_mut();
        let known = open
            .known
            .get_mut(at)
            .unwrap_or_else(|| panic!("no message at {at}"));
        let number = Uid::new(known.uid).unwrap();
        let now = model.step;
        let message = &model.folder(open.id).message(known.uid);
        let mut told = (None, None);
        for item in data {
            match item {
                FetchData::Uid(uid) => assert_eq!(*uid, number, "the UID at {at}"),
                FetchData::Flags(flags, false) => told.0 = Some(flags.clone()),
                FetchData::ModSeq(modseq) => told.1 = Some(*modseq),
                FetchData::Section { octets, .. } => {
                    let text = super::parts::text(message.letter);
                    assert_eq!(octets.as_deref(), Some(text.as_bytes()));
                }
                other => panic!("not asked for: {other:?}"),
            }
        }
        let from = match &command {
            Some(command) if !self.idles => command.begun,
            _ => open.looked,
        };
        let mut versions = message.between(from, now);
        let is_true = versions.any(|version| {
            told.0.as_ref().is_none_or(|flags| *flags == version.flags)
                && told.1.is_none_or(|modseq| modseq == version.modseq)
        });
        assert!(is_true, "{number} never was {told:?}: {message:?}");
        let names_uid = data.iter().any(|item| matches!(item, FetchData::Uid(_)));
        let has_uid = names_uid || self.uid_only;
        let fetches = command.as_ref().is_some_and(|command| command.fetches);
        if self.condstore && !fetches {
            // RFC 7162 §3.2.4
            assert!(
                has_uid && told.1.is_some(),
                "without UID or MODSEQ: {data:?}"
            );
        }
        if let Some(flags) = told.0 {
            if let Some(command) = &mut command {
                command.told.flags.insert(number);
                if let Some(memory) = &mut command.memory {
                    memory.messages.insert(known.uid, flags.clone());
                }
            }
            known.flags = Some(flags);
        }
        let modseq = told.1.unwrap_or_default();
        match command {
            Some(command) => command.told.modseq = command.told.modseq.max(modseq),
            None => open.highest = open.highest.max(modseq),
        }
    }

    /// A search finds what the house found, of the messages the client has heard of.
    fn found(&mut self, mut found: Vec<u32>, set_of_uids: Option<bool>) {
        let command = self.command.as_mut().unwrap();
        let open = self.open.as_ref().unwrap();
        if !set_of_uids.unwrap_or_else(|| command.line.starts_with("UID ")) {
            for number in &mut found {
                *number = open.known[usize::try_from(*number).unwrap() - 1].uid;
            }
        }
        let mut expected = command.finds.take().unwrap();
        expected.retain(|uid| open.known.iter().any(|known| known.uid == *uid));
        let keeps = command
            .keeps
            .take()
            .map(|what| (command.tag.clone(), what, found.clone()));
        if set_of_uids.is_some() {
            // A set has no order.
            found.sort_unstable();
            expected.sort_unstable();
        }
        assert_eq!(found, expected, "found");
        if let Some((tag, what, found)) = keeps {
            self.keep(&tag, what, found);
        }
    }

    fn ends(&mut self, model: &mut Model, tag: &str, status: &Status) {
        let mut command = self.command.take().unwrap();
        assert_eq!(command.tag, tag);
        assert_ne!(status.condition, Condition::Bad, "{}", command.line);
        self.idles = false;
        match &status.code {
            Some(Code::HighestModSeq(modseq)) => command.told.highest = Some(*modseq),
            Some(Code::Modified(set)) => command.told.modified = self.uids_of(&command, set),
            _ => {}
        }
        let verb = command.line.split(' ').next().unwrap();
        match (verb, status.condition) {
            ("ENABLE", _) => {
                self.uid_only |= command.line.contains("UIDONLY");
                self.rev2 |= command.line.contains("rev2");
                self.qresync |= command.line.contains("QRESYNC");
                self.condstore |= self.qresync;
            }
            ("SELECT" | "EXAMINE", Condition::Ok) => self.selected(model, &command),
            ("SELECT" | "EXAMINE" | "CLOSE" | "UNSELECT", _) => self.open = None,
            _ => {}
        }
        self.did(&mut command, status.condition == Condition::Ok);
        let mods = ["CONDSTORE", "MODSEQ", "CHANGEDSINCE", "UNCHANGEDSINCE"];
        if status.condition == Condition::Ok {
            // RFC 7162 §3.1
            self.condstore |= mods.iter().any(|word| command.line.contains(word));
            self.stores(&command);
            self.keep_up(model, &command);
        }
    }

    fn uids_of(&self, command: &Command, set: &SequenceSet) -> UidSet {
        let known = &self.open.as_ref().unwrap().known;
        if command.line.starts_with("UID ") {
            return set.resolve::<Uid>(Uid::MIN).unwrap();
        }
        let seqs = set.resolve::<SeqNo>(SeqNo::MIN).unwrap();
        let uids = seqs
            .iter()
            .map(|seq| known[usize::try_from(seq.value()).unwrap() - 1].uid);
        uids.map(|uid| Uid::new(uid).unwrap()).collect()
    }

    /// What a silent STORE did, the client works out itself.
    fn stores(&mut self, command: &Command) {
        let (Some((uids, mode, flags)), Some(open)) = (&command.silent, &mut self.open) else {
            return;
        };
        for known in &mut open.known {
            let uid = Uid::new(known.uid).unwrap();
            let told = command.told.flags.contains(uid) || command.told.modified.contains(uid);
            if uids.contains(uid) && !told {
                known.flags = known
                    .flags
                    .take()
                    .map(|before| stored(&before, *mode, flags));
            }
        }
    }

    /// RFC 7162 §3.2.5.1: what is remembered, mended by what was told, is the mailbox.
    fn selected(&mut self, model: &mut Model, command: &Command) {
        let open = self.open.as_mut().unwrap();
        open.read_only = command.line.starts_with("EXAMINE");
        let Some(memory) = &command.memory else {
            return;
        };
        let resyncs = command.line.contains("QRESYNC");
        let named = |uid: u32| {
            let named = command.named.as_ref();
            named.is_none_or(|named| named.contains(Uid::new(uid).unwrap()))
        };
        if resyncs {
            let remembered = memory.messages.keys().copied();
            let remembered: Vec<u32> = remembered.filter(|uid| named(*uid)).collect();
            let there = open.known.iter().map(|known| known.uid);
            // What went between the two questions of SELECT is told later.
            let folder = model.folder(open.id);
            if folder.name.is_none() {
                // It went itself, and will be said to have gone.
                return;
            }
            let knows = |uid: &u32| {
                memory.messages.contains_key(uid) || folder.message(*uid).lives_at(open.looked)
            };
            let there = there.filter(|uid| named(*uid) && knows(uid));
            let there: Vec<u32> = there.collect();
            assert_eq!(remembered, there, "after QRESYNC of {:#?}", memory.log);
        }
        open.is_current = resyncs;
        open.seed = memory.modseq;
        for known in &mut open.known {
            if named(known.uid) {
                known.flags = memory.messages.get(&known.uid).cloned();
            }
        }
    }

    /// What the client knows at the end of a command is what the house had when it was asked.
    fn keep_up(&mut self, model: &mut Model, command: &Command) {
        let (hears_open, hears_flags) = (self.hears_open(), self.hears_flags());
        let Some(open) = &mut self.open else {
            return;
        };
        open.is_current |= command.catches_up;
        open.highest = match command.told.highest {
            Some(highest) => highest,
            None => open.highest.max(command.told.modseq),
        };
        let step = match command.line.starts_with("SELECT") || command.line.starts_with("EXAMINE") {
            true => open.looked,
            false => command.begun.max(open.looked),
        };
        let line = command.line.strip_prefix("UID ").unwrap_or(&command.line);
        let takes_away = ["EXPUNGE", "MOVE", "REPLACE"];
        if hears_open {
            check(model, open, command, step, hears_flags);
        } else if takes_away.iter().any(|verb| line.starts_with(verb)) {
            check(model, open, command, open.looked, false);
        }
    }

    /// In IDLE the client knows all that the house has.
    pub(super) fn check_idle(&self, model: &mut Model) {
        let idles = self.idles && self.hears_open();
        if let (true, Some(command), Some(open)) = (idles, &self.command, &self.open) {
            check(model, open, command, model.step, self.hears_flags());
        }
    }

    /// What the client could go on with if the connection broke now.
    pub(super) fn remember(&self, model: &Model) -> Option<Memory> {
        let knows = self.is_told() && self.hears_open() && self.hears_flags();
        let open = self.open.as_ref().filter(|open| knows && open.is_current)?;
        let folder = &model.folders[&open.id];
        folder.name.as_ref()?;
        let messages = open
            .known
            .iter()
            .map(|known| Some((known.uid, known.flags.clone()?)));
        Some(Memory {
            id: open.id,
            validity: folder.validity,
            modseq: open.highest,
            log: self.log.iter().rev().take(12).rev().cloned().collect(),
            messages: messages.collect::<Option<BTreeMap<u32, FlagSet>>>()?,
        })
    }
}

/// The client knows the messages there were after this step and, if it hears of them, their flags.
pub(super) fn check(
    model: &mut Model,
    open: &Open,
    command: &Command,
    step: u64,
    hears_flags: bool,
) {
    let now = model.step;
    let folder = model.folder(open.id);
    if folder.name.is_none() {
        return;
    }
    let selects = command.line.starts_with("SELECT") || command.line.starts_with("EXAMINE");
    let known: Vec<u32> = open.known.iter().map(|known| known.uid).collect();
    let lives = |uid: &u32| folder.message(*uid).lives_at(step);
    if selects {
        // Compared when it was opened.
    } else if command.counts {
        let left: Vec<u32> = known.iter().copied().filter(lives).collect();
        assert_eq!(left, folder.uids_at(step), "the messages that are left");
    } else {
        assert_eq!(known, folder.uids_at(step), "the messages");
    }
    for known in &open.known {
        let knows = open.is_current && hears_flags;
        let Some(flags) = known.flags.as_ref().filter(|_| knows) else {
            continue;
        };
        // A FETCH passes over what went in the middle of it.
        let passed_over = command.catches_up && !folder.message(known.uid).lives_at(now);
        if lives(&known.uid) && !passed_over {
            let mut versions = folder.message(known.uid).between(step, now);
            let is_true = versions.any(|version| version.flags == *flags);
            let message = &folder.message(known.uid);
            assert!(is_true, "{} is not {flags:?}: {message:?}", known.uid);
        }
    }
}

impl Client {
    /// ESEARCH names the mailbox that is open by the name it has, whoever gave it.
    fn check_name(&self, model: &mut Model, esearch: &Esearch) {
        let Some(told) = &esearch.mailbox else {
            return;
        };
        let (open, command) = (self.open.as_ref(), self.command.as_ref());
        let (open, begun) = (open.unwrap(), command.unwrap().begun);
        if model.moved <= begun {
            let name = model.folder(open.id).name.as_deref();
            assert_eq!(Some(told.as_str()), name, "MAILBOX");
        }
    }
}

/// All numbers of an ESEARCH.
fn listed(esearch: &Esearch) -> Vec<u32> {
    let all = esearch.all.as_ref().map_or_else(Vec::new, expanded);
    let count = u32::try_from(all.len()).unwrap();
    assert!(esearch.count.is_none_or(|told| told == count), "COUNT");
    all
}

/// Where the first whole response ends, literals included.
fn whole(octets: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let line = octets.get(from..)?;
        let end = line.windows(2).position(|two| two == b"\r\n")?;
        let line = &line[..end];
        from += end + 2;
        let Some(open) = line.iter().rposition(|octet| *octet == b'{') else {
            return Some(from);
        };
        let digits = line[open + 1..].strip_suffix(b"}");
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| digits.parse::<usize>().ok()) {
            Some(literal) => from += literal,
            None => return Some(from),
        }
    }
}
