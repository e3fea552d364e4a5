//! Dialogues: protocol conversations as text, played on a session.
//!
//! A dialogue is lines of the form `MARK text`:
//!
//! | mark | meaning |
//! |---|---|
//! | `C:` | the peer sends the text and CRLF |
//! | `C+` | the peer sends the text alone, escapes `\r \n \t \\ \xNN` understood |
//! | `C*` | the peer sends `count text`: the text `count` times, escapes understood |
//! | `CE` | the peer ends its side of the connection |
//! | `S:` | the session writes the text and CRLF |
//! | `S+` | the session writes the text, not ended by CRLF |
//! | `~` | the session does something else: `~ tls`, `~ deflate`, `~ close` (no splice) |
//! | `T:` | so many seconds pass |
//! | `W:` | the house takes so many seconds for its next answer, and is so far: `30 45 100` |
//! | `N:` | the account's ledger moves to this mod-sequence |
//! | `D:` | whoever has logged in is not welcome any more |
//! | `#` | a comment |
//!
//! [`play`] runs the peer's lines and renders the whole conversation anew, so a test compares two
//! texts; with [`Cut`] the peer's octets arrive in pieces and the transcript must stay the same.

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use mail::{BlobRange, Enhanced, Instant, ModSeq, Progress, Refusal};

use crate::recording::{self, Event, Manner, Recorder};
use crate::sasl::{Question, TokenError, TokenStatus, Verdict};
use crate::witness::TOKEN_STAND_IN;
use crate::{ChannelBinding, Security, Session, Step, Upgrade};

/// How the peer's octets arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Each line by itself.
    Lines,
    /// In pieces of so many octets; a line's pieces end with the line.
    Every(usize),
    /// Each line in two, behind so many of its octets.
    At(usize),
}

/// Octets of one line behind which [`cuts`] cuts; what the longer ones say repeats itself.
const CUT_OCTETS_MAX: usize = 2048;

/// Every cut of a script's lines: in two behind each octet, and in pieces of each small size.
///
/// None where a comment `# uncut` says that the dialogue is about what arrives together: what TLS
/// throws away is what came with the command that began it.
pub fn cuts(script: &str) -> impl Iterator<Item = Cut> {
    let lengths = script.lines().filter_map(sent).map(|octets| octets.len());
    let longest = lengths.max().unwrap_or_default().min(CUT_OCTETS_MAX);
    let pieces = (1..=64).chain([100, 512, 1000]).map(Cut::Every);
    let cuts = (1..longest).map(Cut::At).chain(pieces);
    let uncut = script.lines().any(|line| line == "# uncut");
    cuts.filter(move |_| !uncut)
}

/// The octets that the peer sends by one line of a script; `None` if the line is not the peer's.
#[must_use]
pub fn sent(line: &str) -> Option<Vec<u8>> {
    let (mark, text) = line.split_at_checked(2).unwrap_or((line, ""));
    let text = text.strip_prefix(' ').unwrap_or(text);
    match mark {
        "C:" => Some([text.as_bytes(), b"\r\n"].concat()),
        "C+" => Some(unescape(text)),
        "C*" => Some(repeated(text)),
        "CE" => Some(Vec::new()),
        _ => None,
    }
}

/// The house a dialogue is played against.
pub trait House<S: Session> {
    /// Answers one ask.
    fn answer(&mut self, ask: S::Ask) -> S::Answer;
    /// The octets of a splice.
    fn read(&mut self, _range: BlobRange) -> Bytes {
        Bytes::new()
    }
}

impl<S: Session, F: FnMut(S::Ask) -> S::Answer> House<S> for F {
    fn answer(&mut self, ask: S::Ask) -> S::Answer {
        self(ask)
    }
}

/// Plays the peer's lines of `script` on `session` and returns the conversation as it went.
///
/// A session that does not come to rest within a million steps after one line is reported in the
/// transcript as `~ endless`.
pub fn play<S: Session>(
    session: &mut S,
    house: &mut impl House<S>,
    script: &str,
    cut: Cut,
) -> String {
    let mut player = Player::default();
    player.play(session, house, script, cut);
    player.transcript
}

/// Plays a script as [`play`] does, and returns what somebody who looks on puts down of it.
pub fn record<S: Session>(
    session: &mut S,
    house: &mut impl House<S>,
    script: &str,
    cut: Cut,
    manner: Manner,
) -> String {
    let mut player = Player {
        recorder: Some(Recorder::new(manner)),
        ..Player::default()
    };
    player.play(session, house, script, cut);
    let recorder = player.recorder.as_mut();
    recorder.map(Recorder::finish).unwrap_or_default()
}

/// What is wrong with the recordings of a script, if anything is: one tells a secret, or depends on
/// how the input was cut, or does not run as it was put down.
///
/// `stage` makes the session and the house that the comments of a script want. That a recording
/// runs is asked only where `runs`: a wrong password is right in it, and a proof is none.
pub fn misrecorded<S: Session, H: House<S>>(
    script: &str,
    stage: impl Fn(&str) -> (S, H),
    manner: &Manner,
    secrets: &[&str],
    runs: bool,
) -> Option<String> {
    let comments = script.lines().filter(|line| line.starts_with('#'));
    let prologue = comments.map(|line| format!("{line}\n")).collect();
    let recorded = |cut: Cut, bodies: bool| {
        let manner = Manner {
            bodies,
            prologue: String::clone(&prologue),
            ..manner.clone()
        };
        let (mut session, mut house) = stage(script);
        record(&mut session, &mut house, script, cut, manner)
    };
    let whole = recorded(Cut::Lines, true);
    let short = recorded(Cut::Lines, false);
    let told = |recording: &str| secrets.iter().any(|secret| tells(recording, secret));
    for cut in cuts(script).filter(|cut| matches!(cut, Cut::Every(..=16))) {
        let cut_whole = recorded(cut, true);
        if told(&cut_whole) {
            return Some(format!("a secret is told, cut {cut:?}:\n{cut_whole}"));
        }
        if sides(&cut_whole) != sides(&whole) {
            return Some(format!("cut {cut:?}:\n{cut_whole}\ninstead of\n{whole}"));
        }
    }
    if let Some(recording) = [&whole, &short]
        .into_iter()
        .find(|recording| told(recording))
    {
        return Some(format!("a secret is told:\n{recording}"));
    }
    let (mut session, mut house) = stage(&whole);
    let went = play(&mut session, &mut house, &whole, Cut::Lines);
    (runs && went != whole).then(|| format!("it went\n{went}\ninstead of\n{whole}"))
}

/// What the peer sent, and all else but comments: what is the same however the input was cut. What
/// refuses a message may come sooner or later in it.
fn sides(script: &str) -> (Vec<u8>, Vec<&str>) {
    let octets: Vec<Vec<u8>> = script.lines().filter_map(sent).collect();
    let others = script
        .lines()
        .filter(|line| !line.starts_with(['C', '#']))
        .collect();
    (octets.concat(), others)
}

/// True if a text tells a secret, as it is or in base64.
#[must_use]
pub fn tells(text: &str, secret: &str) -> bool {
    let is_base64 = |letter: char| letter.is_ascii_alphanumeric() || "+/=".contains(letter);
    let mut words = text.split(|letter| !is_base64(letter));
    text.contains(secret)
        || words.any(|word| {
            let octets = STANDARD.decode(word).unwrap_or_default();
            String::from_utf8_lossy(&octets).contains(secret)
        })
}

#[derive(Default)]
struct Player {
    transcript: String,
    output: Vec<u8>,
    now: Instant,
    /// How long the next answer takes, and how far the house is meanwhile.
    slow: Option<(Duration, Option<Progress>)>,
    over: bool,
    recorder: Option<Recorder>,
}

impl Player {
    fn play<S: Session>(
        &mut self,
        session: &mut S,
        house: &mut impl House<S>,
        script: &str,
        cut: Cut,
    ) {
        self.elapse(session);
        self.settle(session, house);
        for line in script.lines() {
            if let Some(octets) = sent(line) {
                self.send(session, house, line, &octets, cut);
                continue;
            }
            let (mark, text) = line.split_at_checked(2).unwrap_or((line, ""));
            let text = text.strip_prefix(' ').unwrap_or(text);
            match mark {
                "T:" => self.pass(session, house, line, text),
                "W:" => self.slow_down(line, text),
                "N:" => self.tell(session, house, line, text),
                "D:" => self.dismiss(session, house, line),
                "S:" | "S+" | "~ " => {}
                _ => self.note(line),
            }
        }
    }

    /// Tells what time it is.
    fn elapse<S: Session>(&mut self, session: &mut S) {
        session.elapse(self.now);
        self.see(Event::Woken(self.now));
    }

    fn see(&mut self, event: Event<'_>) {
        if let Some(recorder) = &mut self.recorder {
            recorder.see(event);
        }
    }

    fn note(&mut self, line: &str) {
        self.transcript.push_str(line);
        self.transcript.push('\n');
    }

    fn send<S: Session>(
        &mut self,
        session: &mut S,
        house: &mut impl House<S>,
        line: &str,
        octets: &[u8],
        cut: Cut,
    ) {
        self.note(line);
        // The end of the connection is a receive of nothing.
        let pieces: Vec<&[u8]> = match (octets, cut) {
            ([], _) | (_, Cut::Lines) => vec![octets],
            (_, Cut::Every(size)) => octets.chunks(size.max(1)).collect(),
            (_, Cut::At(at)) => match octets.split_at_checked(at) {
                Some((before, behind)) if !before.is_empty() && !behind.is_empty() => {
                    vec![before, behind]
                }
                _ => vec![octets],
            },
        };
        for piece in pieces {
            if self.over {
                return;
            }
            self.elapse(session);
            if piece.is_empty() {
                self.see(Event::Gone);
            }
            session.receive(piece);
            self.work(session, house);
        }
        self.flush();
    }

    fn pass<S: Session>(
        &mut self,
        session: &mut S,
        house: &mut impl House<S>,
        line: &str,
        text: &str,
    ) {
        self.note(line);
        let seconds = text.trim().parse().unwrap_or_default();
        self.now = self.now.after(Duration::from_secs(seconds));
        if !self.over {
            self.elapse(session);
            self.settle(session, house);
        }
    }

    fn slow_down(&mut self, line: &str, text: &str) {
        self.note(line);
        let mut numbers = text.split(' ').map(|number| number.parse().ok());
        let mut next = || numbers.next().flatten();
        let seconds = next().unwrap_or_default();
        let progress = next().zip(next());
        let progress = progress.and_then(|(done, goal)| Progress::new(done, goal));
        self.slow = Some((Duration::from_secs(seconds.into()), progress));
    }

    /// Lets the time pass that the next answer takes.
    fn dawdle<S: Session>(&mut self, session: &mut S) {
        let Some((takes, progress)) = self.slow.take() else {
            return;
        };
        let until = self.now.after(takes);
        while let Some(patience) = session.patience()
            && self.now.after(patience) < until
        {
            self.now = self.now.after(patience);
            let octets = session.reassure(self.now, progress);
            self.see(Event::Said(&octets));
            self.output.extend_from_slice(&octets);
        }
        self.now = until;
    }

    fn tell<S: Session>(
        &mut self,
        session: &mut S,
        house: &mut impl House<S>,
        line: &str,
        text: &str,
    ) {
        self.note(line);
        if !self.over {
            let modseq = ModSeq(text.trim().parse().unwrap_or_default());
            self.see(Event::Moved(modseq));
            session.notice(modseq);
            self.settle(session, house);
        }
    }

    fn dismiss<S: Session>(&mut self, session: &mut S, house: &mut impl House<S>, line: &str) {
        self.note(line);
        if !self.over {
            self.see(Event::Dismissed);
            session.dismiss();
            self.settle(session, house);
        }
    }

    fn settle<S: Session>(&mut self, session: &mut S, house: &mut impl House<S>) {
        self.work(session, house);
        self.flush();
    }

    /// Steps until the session wants to read, and tells it the time if it has waited for that: as
    /// a driver would.
    fn work<S: Session>(&mut self, session: &mut S, house: &mut impl House<S>) {
        self.step(session, house);
        let due = session.deadline().is_some_and(|due| due <= self.now);
        if due && !self.over {
            self.elapse(session);
            self.step(session, house);
        }
    }

    fn step<S: Session>(&mut self, session: &mut S, house: &mut impl House<S>) {
        for _ in 0..1_000_000 {
            let step = session.step();
            if let Some(recorder) = &mut self.recorder {
                recording::overhear(session, &step, |event| recorder.see(event));
            }
            match step {
                Step::Read => return,
                Step::Write(bytes) => self.output.extend_from_slice(&bytes),
                Step::Splice(range) => {
                    let octets = house.read(range);
                    self.see(Event::Said(&octets));
                    self.output.extend_from_slice(&octets);
                }
                Step::Ask(ask) => {
                    self.dawdle(session);
                    session.answer(house.answer(ask));
                }
                Step::Upgrade(upgrade) => self.upgrade(session, upgrade),
                Step::Close => {
                    self.flush();
                    self.note("~ close");
                    self.over = true;
                    return;
                }
            }
        }
        self.note("~ endless");
        self.over = true;
    }

    fn upgrade<S: Session>(&mut self, session: &mut S, upgrade: Upgrade) {
        self.flush();
        match upgrade {
            Upgrade::Tls => {
                self.note("~ tls");
                session.secured(security_for_tests());
            }
            Upgrade::Deflate => self.note("~ deflate"),
        }
    }

    /// Renders what the session wrote since the peer's last line.
    fn flush(&mut self) {
        let output = std::mem::take(&mut self.output);
        for line in output.split_inclusive(|&octet| octet == b'\n') {
            let (mark, text) = match line.strip_suffix(b"\r\n") {
                Some(text) => ("S:", text),
                None => ("S+", line),
            };
            self.transcript.push_str(mark);
            if !text.is_empty() {
                self.transcript.push(' ');
            }
            escape(text, mark == "S+", &mut self.transcript);
            self.transcript.push('\n');
        }
    }
}

/// What a house for tests says of a token: `secret`, and what stands for it in a recording, is for
/// ada, and `secret.early` comes too early.
#[must_use]
pub fn token_for_tests(question: &Question) -> Option<Verdict> {
    let Question::Token {
        token,
        authorization,
    } = question
    else {
        return None;
    };
    let its_own = matches!(authorization.as_deref(), None | Some("ada"));
    let refuse = |code, enhanced, text| Refusal::new(code, enhanced, text);
    Some(match token.as_ref().map(|token| token.0.as_str()) {
        Some("secret" | TOKEN_STAND_IN) if its_own => Verdict::Accepted,
        Some("secret.early") => {
            Verdict::Refused(refuse(454, Enhanced::new(4, 7, 0), "Try again later"))
        }
        _ => {
            let error = TokenError {
                status: TokenStatus::InvalidToken,
                scope: Some("mail".to_owned()),
                openid_configuration: Some("https://login.example/.well-known".to_owned()),
            };
            let refusal = refuse(535, Enhanced::new(5, 7, 8), "The token is no good");
            Verdict::TokenRefused(error, refusal)
        }
    })
}

/// What TLS agrees on in dialogues.
#[must_use]
pub fn security_for_tests() -> Security {
    Security {
        version: "TLS1.3".to_owned(),
        cipher: "TLS_AES_128_GCM_SHA256".to_owned(),
        binding: Some(ChannelBinding::TlsExporter(
            b"binding of the tests".to_vec(),
        )),
        certified: Vec::new(),
    }
}

fn repeated(text: &str) -> Vec<u8> {
    let (count, text) = text.split_once(' ').unwrap_or((text, ""));
    unescape(text).repeat(count.parse().unwrap_or_default())
}

fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        octets.extend_from_slice(plain.as_bytes());
        let mut letters = escaped.chars();
        match letters.next() {
            Some('r') => octets.push(b'\r'),
            Some('n') => octets.push(b'\n'),
            Some('t') => octets.push(b'\t'),
            Some('x') => {
                let digits = escaped.get(1..3).unwrap_or_default();
                octets.extend(u8::from_str_radix(digits, 16).ok());
                letters = escaped.get(3..).unwrap_or_default().chars();
            }
            Some(other) => octets.extend_from_slice(other.to_string().as_bytes()),
            None => {}
        }
        rest = letters.as_str();
    }
    octets.extend_from_slice(rest.as_bytes());
    octets
}

pub(crate) fn escape(octets: &[u8], all: bool, out: &mut String) {
    for chunk in octets.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\r' => out.push_str("\\r"),
                '\n' => out.push_str("\\n"),
                '\\' if all => out.push_str("\\\\"),
                plain => out.push(plain),
            }
        }
        for octet in chunk.invalid() {
            let _written = write!(out, "\\x{octet:02x}");
        }
    }
}
