//! One bit is flipped, in every kind of place that a store has: what `store check` says of it, how
//! the server starts, and which letters are lost. A letter that is lost is named with account,
//! mailbox and UID. Where that is not so yet, the table says it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use interop::{Server, Talk, Tls};

use crate::disk::sh;
use crate::view::files;

/// Letters by UID: what each says in its subject, and how many lines it has.
const LETTERS: [(&str, usize); 6] = [
    ("one", 5),
    ("two", 5),
    ("three", 5),
    ("large", 8000),
    ("four", 5),
    ("five", 5),
];

/// Where the bit is.
enum At {
    /// So many octets from the file's beginning.
    Octet(usize),
    /// So many behind the beginning of the record with this letter.
    Record(&'static str, usize),
    /// So many before the first octet of this letter as it is kept.
    Before(&'static str, usize),
    /// In this letter's text.
    Text(&'static str),
}

/// What `store check` says.
enum Check {
    Sound,
    /// A flaw with these words.
    Flaw(&'static str),
}

/// What becomes of the server.
enum Start {
    /// It serves all letters but these, and names them.
    Serves(&'static [u32]),
    /// It serves all letters but this, and knows nothing of it.
    Forgets(u32),
    /// It says this, and serves nothing.
    Refuses(&'static str),
}

struct Case {
    place: &'static str,
    file: &'static str,
    at: At,
    check: Check,
    start: Start,
    /// The same where the view is gone as well, so that the log has to tell everything.
    without_view: Start,
}

const SEGMENT: &str = "log/0000000000000001.log";

const fn case(
    place: &'static str,
    file: &'static str,
    at: At,
    check: Check,
    start: Start,
    without_view: Start,
) -> Case {
    Case {
        place,
        file,
        at,
        check,
        start,
        without_view,
    }
}

const ALL: Start = Start::Serves(&[]);
/// A damaged segment header: which records are its own, nobody can say.
const HEADER: Check = Check::Flaw("segment 1 has a damaged header");
const NO_HEADER: Start = Start::Refuses("segment 1 has a damaged header");
/// A damaged record: the next start does not read it, unless it has to make the view anew.
const RECORD: Check = Check::Flaw("segment 1 is damaged at");
const NO_RECORD: Start = Start::Refuses("segment 1 is damaged at");
/// The same at the log's end, of which the view knows more.
const END: Check = Check::Flaw("but the log ends at 9");
/// A file of a letter whose head is damaged: nobody needs it to read the letter.
const BODY: Check = Check::Flaw("has a damaged header");
/// What nothing else tells of looks like what was being written when the power went.
const FORGOTTEN: Start = Start::Forgets(6);

#[rustfmt::skip] // tidy: table
const CASES: [Case; 27] = [
    case("segment's magic", SEGMENT, At::Octet(3), HEADER, NO_HEADER, NO_HEADER),
    case("segment's format", SEGMENT, At::Octet(11), HEADER, NO_HEADER, NO_HEADER),
    case("segment's epoch", SEGMENT, At::Octet(15), HEADER, NO_HEADER, NO_HEADER),
    case("segment's number", SEGMENT, At::Octet(27), HEADER, NO_HEADER, NO_HEADER),
    case("segment's durable number", SEGMENT, At::Octet(35), HEADER, NO_HEADER, NO_HEADER),
    case("segment's checksum", SEGMENT, At::Octet(38), HEADER, NO_HEADER, NO_HEADER),
    case("segment's zeros", SEGMENT, At::Octet(50), Check::Sound, ALL, ALL),
    case("record's magic", SEGMENT, At::Record("two", 1), RECORD, ALL, NO_RECORD),
    case("record's length", SEGMENT, At::Record("two", 7), RECORD, ALL, NO_RECORD),
    case("record's length, far too long", SEGMENT, At::Record("two", 4), RECORD, ALL, NO_RECORD),
    case("record's number", SEGMENT, At::Record("two", 15), RECORD, ALL, NO_RECORD),
    case("record's durable number", SEGMENT, At::Record("two", 23), RECORD, ALL, NO_RECORD),
    case("record's format", SEGMENT, At::Record("two", 27), RECORD, ALL, NO_RECORD),
    case("record's checksum", SEGMENT, At::Record("two", 30), RECORD, ALL, NO_RECORD),
    case("count of partitions", SEGMENT, At::Record("two", 35), RECORD, ALL, NO_RECORD),
    case("rows", SEGMENT, At::Record("two", 90), RECORD, ALL, NO_RECORD),
    case("letter's name", SEGMENT, At::Before("two", 30), RECORD, ALL, NO_RECORD),
    case("letter's length", SEGMENT, At::Before("two", 1), RECORD, ALL, NO_RECORD),
    case("letter", SEGMENT, At::Text("two"), RECORD, Start::Serves(&[2]), NO_RECORD),
    case("last letter", SEGMENT, At::Text("five"), END, Start::Serves(&[6]), FORGOTTEN),
    case("large letter's magic", "bodies", At::Octet(2), BODY, ALL, ALL),
    case("large letter's name", "bodies", At::Octet(20), BODY, ALL, ALL),
    case("large letter's checksum", "bodies", At::Octet(62), BODY, ALL, ALL),
    case("large letter", "bodies", At::Octet(5000), Check::Flaw("is not what its name says"),
         Start::Serves(&[4]), Start::Serves(&[4])),
    case("checkpoint's magic", "view/checkpoint", At::Octet(3), Check::Sound, ALL, ALL),
    case("checkpoint's position", "view/checkpoint", At::Octet(27), Check::Sound, ALL, ALL),
    case("checkpoint's checksum", "view/checkpoint", At::Octet(38), Check::Sound, ALL, ALL),
];

/// Letters that are lost and that are altered.
const ALL_THERE: Result<(Vec<u32>, Vec<u32>), String> = Ok((Vec::new(), Vec::new()));

/// A store at rest, and as it was before anything was flipped in it.
struct Pristine {
    server: Server,
    kept: tempfile::TempDir,
    letters: BTreeMap<u32, String>,
}

impl Pristine {
    fn new() -> Self {
        let server = Server::start().unwrap();
        let (mut talk, _) = Talk::open(server.address("smtp", Tls::Starttls)).unwrap();
        talk.smtp("EHLO x").unwrap();
        for (subject, lines) in LETTERS {
            let body = format!("A line of {subject}, and of no other letter.\r\n").repeat(lines);
            let letter = format!("Subject: {subject}\r\n\r\n{body}");
            let to = ["ada@test.localhost"];
            let reply = talk.deliver("x@elsewhere.example", &to, &letter).unwrap();
            assert!(reply.starts_with("250"), "{reply}");
        }
        let pristine = Self::of(server);
        assert_eq!(pristine.letters.len(), LETTERS.len());
        pristine
    }

    /// The letters of a server that runs, put to rest.
    fn of(mut server: Server) -> Self {
        let letters = read(&server);
        assert!(server.stop(), "{}", server.log());
        let kept = tempfile::tempdir().unwrap();
        let store = server.data().join("store").display().to_string();
        sh("cp", &["-a", &store, &kept.path().display().to_string()]);
        Self {
            server,
            kept,
            letters,
        }
    }

    /// Puts the store back as it was, and flips a bit in it.
    fn flip(&mut self, file: &str, at: &At) {
        self.server.kill();
        let store = self.server.data().join("store");
        fs::remove_dir_all(&store).unwrap();
        let kept = self.kept.path().join("store").display().to_string();
        sh(
            "cp",
            &["-a", &kept, &self.server.data().display().to_string()],
        );
        let mut path = store.join(file);
        if path.is_dir() {
            path = files(&path).remove(0);
        }
        let mut octets = fs::read(&path).unwrap();
        let place = at.find(&octets);
        *octets.get_mut(place).unwrap() ^= 1;
        fs::write(&path, octets).unwrap();
    }

    fn check(&self) -> String {
        let output = self.server.output(&["store", "check"], "").unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        let is_sound = said.lines().any(|line| line == "sound");
        assert_eq!(output.status.success(), is_sound, "{said}");
        said
    }

    /// Starts, and gives the letters that are lost and those that are altered, or why it did not
    /// start.
    fn start(&mut self) -> Result<(Vec<u32>, Vec<u32>), String> {
        if self.server.run().is_err() {
            return Err(self.server.log());
        }
        let there = read(&self.server);
        let (mut lost, mut altered) = (Vec::new(), Vec::new());
        for (uid, letter) in &self.letters {
            match there.get(uid) {
                Some(found) if found == letter => {}
                Some(_) => altered.push(*uid),
                None => lost.push(*uid),
            }
        }
        Ok((lost, altered))
    }

    /// True if the audit names this letter.
    fn names(&self, uid: u32) -> bool {
        let output = self.server.output(&["audit", "--deep"], "").unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let name = format!("ada@test.localhost, INBOX, UID {uid}: its body is ");
        said.lines().any(|line| line.starts_with(&name))
    }

    /// What is wrong with a start, if anything is.
    fn judge(&mut self, start: &Start) -> Option<String> {
        let found = self.start();
        let is_so = match (start, &found) {
            (Start::Serves(wanted), Ok((lost, altered))) => {
                lost == wanted && altered.is_empty() && lost.iter().all(|uid| self.names(*uid))
            }
            (Start::Forgets(wanted), Ok((lost, altered))) => {
                lost == &[*wanted] && altered.is_empty() && !self.names(*wanted)
            }
            (Start::Refuses(why), Err(said)) => said.contains(why),
            (_, Err(_)) | (Start::Refuses(_), Ok(_)) => false,
        };
        (!is_so).then(|| format!("{found:?}"))
    }
}

impl At {
    fn find(&self, octets: &[u8]) -> usize {
        let text = |subject: &str| {
            let wanted = format!("A line of {subject}, and of no other letter.\r\nA");
            position(octets, wanted.as_bytes())
        };
        let before = |end: usize, what: &[u8]| {
            let head = octets.get(..end).unwrap();
            let mut windows = head.windows(what.len());
            windows.rposition(|window| window == what).unwrap()
        };
        match self {
            Self::Octet(at) => *at,
            Self::Record(subject, at) => before(text(subject), b"CRec") + at,
            Self::Before(subject, at) => before(text(subject), b"Return-Path: ") - at,
            Self::Text(subject) => text(subject),
        }
    }
}

fn position(octets: &[u8], what: &[u8]) -> usize {
    let mut windows = octets.windows(what.len());
    windows.position(|window| window == what).unwrap()
}

/// The letters that the server gives. Of those that are damaged it says so, and gives all others.
fn read(server: &Server) -> BTreeMap<u32, String> {
    let mut talk = open(server);
    let lines = talk.imap("UID FETCH 1:* (UID BODY.PEEK[])").unwrap();
    let (end, told) = lines.split_last().unwrap();
    let uid_of = |line: &String| {
        let uid = line.split_once("(UID ")?.1.split([' ', ')']).next()?;
        uid.parse().ok()
    };
    let uids: Vec<u32> = told.iter().filter_map(uid_of).collect();
    let letters = told.iter().filter(|line| line.contains("Subject: "));
    let letters: BTreeMap<_, _> = letters
        .filter_map(|line| Some((uid_of(line)?, line.clone())))
        .collect();
    let damaged: Vec<_> = uids
        .iter()
        .filter(|uid| !letters.contains_key(uid))
        .collect();
    match damaged.as_slice() {
        [] => assert!(end.starts_with("t OK"), "{end}"),
        [uid, ..] => {
            let said = format!("t NO [CORRUPTION] The message with UID {uid} is damaged");
            assert!(end.starts_with(&said), "{end}");
            retrieve(server, &uids, &damaged);
            // A search goes on without it.
            let found = talk.imap("UID SEARCH BODY \"of no other letter\"").unwrap();
            let found: Vec<_> = found.first().unwrap().split(' ').skip(2).collect();
            let there: Vec<_> = letters.keys().map(ToString::to_string).collect();
            assert_eq!(found, there);
        }
    }
    letters
}

/// By POP3 the same are told, and the same are refused.
fn retrieve(server: &Server, uids: &[u32], damaged: &[&u32]) {
    let (mut talk, _) = Talk::open(server.address("pop3", Tls::Starttls)).unwrap();
    let mut say = |line: &str| {
        talk.send(format!("{line}\r\n").as_bytes()).unwrap();
        let said = talk.hear().unwrap();
        if line.starts_with("RETR") && said.starts_with("+OK") {
            while talk.hear().unwrap() != "." {}
        }
        said
    };
    assert!(say("USER ada@test.localhost").starts_with("+OK"));
    assert!(say("PASS secret").starts_with("+OK"));
    for (at, uid) in uids.iter().enumerate() {
        let said = say(&format!("RETR {}", at + 1));
        let wanted = match damaged.contains(&uid) {
            true => "-ERR [SYS/PERM] The message is damaged",
            false => "+OK",
        };
        assert!(said.starts_with(wanted), "UID {uid}: {said}");
    }
}

/// A connection with the inbox open.
fn open(server: &Server) -> Talk {
    let (mut talk, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
    talk.imap_login("ada@test.localhost", "secret").unwrap();
    let selected = talk.imap("SELECT INBOX").unwrap();
    assert!(selected.last().unwrap().starts_with("t OK"), "{selected:?}");
    talk
}

#[test]
fn a_flipped_bit_takes_one_letter_at_most_and_is_told() {
    let mut pristine = Pristine::new();
    let mut wrong = Vec::new();
    for case in &CASES {
        let mut note = |when: &str, what: String| {
            wrong.push(format!("{}, {when}: {what}", case.place));
        };
        pristine.flip(case.file, &case.at);
        let said = pristine.check();
        let is_so = match case.check {
            Check::Sound => said.lines().any(|line| line == "sound"),
            Check::Flaw(flaw) => said.contains(flaw),
        };
        if !is_so {
            note("checked", said);
        }
        // What the check did to the store is not to help the start.
        pristine.flip(case.file, &case.at);
        if let Some(what) = pristine.judge(&case.start) {
            note("started", what);
        }
        pristine.flip(case.file, &case.at);
        fs::remove_dir_all(pristine.server.data().join("store/view")).unwrap();
        if let Some(what) = pristine.judge(&case.without_view) {
            note("started without the view", what);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The view's files are another's: whatever bit of them is flipped, all letters are there, at once
/// or after the next start.
#[test]
fn a_flipped_bit_in_the_view_takes_nothing() {
    let mut pristine = Pristine::new();
    let store = pristine.kept.path().join("store");
    let view = files(&store.join("view/db"));
    assert!(!view.is_empty());
    for path in view.iter().filter(|path| !is_empty(path)) {
        let file = path.strip_prefix(&store).unwrap().display().to_string();
        let middle = usize::try_from(fs::metadata(path).unwrap().len() / 2).unwrap();
        pristine.flip(&file, &At::Octet(middle));
        let found = pristine.start();
        pristine.server.kill();
        if found != ALL_THERE {
            let log = pristine.server.log();
            assert!(log.contains("the view is damaged"), "{file}: {log}");
            assert_eq!(pristine.start(), ALL_THERE, "{file}");
        }
        assert!(pristine.check().contains("sound"), "{file}");
    }
}

/// The search index is only a help: with whatever bit flipped, a search finds what there is.
#[test]
fn a_flipped_bit_in_the_search_index_takes_nothing() {
    let server = Server::start().unwrap();
    let (mut talk, _) = Talk::open(server.address("smtp", Tls::Starttls)).unwrap();
    talk.smtp("EHLO x").unwrap();
    for n in 100..200 {
        let letter = format!("Subject: {n}\r\n\r\nThe word of this letter is word{n}.\r\n");
        let to = ["ada@test.localhost"];
        let reply = talk.deliver("x@elsewhere.example", &to, &letter).unwrap();
        assert!(reply.starts_with("250"), "{reply}");
    }
    let derived = server.data().join("store/derived");
    let begun = Instant::now();
    while files(&derived).is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(30), "no index");
        assert_eq!(search(&server, "word150"), "* SEARCH 51");
    }
    let mut pristine = Pristine::of(server);
    let kept = pristine.kept.path().join("store");
    let index = files(&kept.join("derived"));
    assert!(!index.is_empty(), "no index at rest");
    for path in &index {
        let file = path.strip_prefix(&kept).unwrap().display().to_string();
        let len = usize::try_from(fs::metadata(path).unwrap().len()).unwrap();
        for at in [0, len / 4, len / 2, len - 1] {
            pristine.flip(&file, &At::Octet(at));
            assert!(pristine.check().contains("sound"), "{file}, {at}");
            pristine.server.run().unwrap();
            for n in [100, 150, 199] {
                let found = search(&pristine.server, &format!("word{n}"));
                assert_eq!(found, format!("* SEARCH {}", n - 99), "{file}, {at}");
            }
        }
    }
}

fn search(server: &Server, word: &str) -> String {
    let mut talk = open(server);
    let lines = talk.imap(&format!("SEARCH TEXT {word}")).unwrap();
    lines.first().unwrap().clone()
}

fn is_empty(path: &Path) -> bool {
    fs::metadata(path).unwrap().len() == 0
}
