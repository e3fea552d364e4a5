//! Filters that look at letters while they come in (milters), beside a conversation of SMTP.
//!
//! A filter is called when the first letter of a connection begins, and told of each. The letter
//! itself is held in memory, within a bound for all, and told at its end to one filter after the
//! other: each is told what the one before has made of it. rspamd may be asked by HTTP as well:
//! then it hears of a letter at its end only.
//!
//! Not here: the protocols (the room `milter`), what SMTP says (`smtp`).

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mail::{Enhanced, Refusal};
use milter::{Change, Event, Heard, Letter, Peer, Verdict};
use net::Endpoint;
use tokio::time::timeout;

use crate::settings::Protocol;

mod line;
mod rspamd;

use line::Line;
pub use rspamd::RspamdSettings;
use rspamd::Way;

/// How long a filter may be at work on one thing, however often it says so.
const WORK_PATIENCE: Duration = Duration::from_secs(600);
/// Octets more than a letter's own that a filter may make of it.
const CHANGE_OCTETS_MAX: usize = 1 << 20;

/// A filter.
#[derive(Clone, Debug)]
pub struct MilterSettings {
    /// What it is called here.
    pub name: String,
    /// How it is asked.
    pub asked: Asked,
    /// How long it may be silent when it is to answer.
    pub timeout: Duration,
    /// True if letters are taken unseen where it is away.
    pub is_spared: bool,
    /// Octets of a letter that it is shown; larger ones are taken unseen.
    pub octets_max: usize,
    /// At which doors it is asked.
    pub protocols: Vec<Protocol>,
}

/// How a filter is asked.
#[derive(Clone, Debug)]
pub enum Asked {
    /// By the protocol of milters, at this place.
    Milter(Endpoint),
    /// By HTTP, as rspamd is.
    Rspamd(RspamdSettings),
}

/// All filters, and the memory that they share.
#[derive(Debug, Default)]
pub struct Milters {
    all: Vec<Arc<MilterSettings>>,
    octets_max: usize,
    held: AtomicUsize,
}

impl Milters {
    /// Filters, in the order in which they are asked, and how many octets of letters may be held
    /// for them at the same time.
    #[must_use]
    pub fn new(all: Vec<MilterSettings>, octets_max: usize) -> Self {
        Self {
            all: all.into_iter().map(Arc::new).collect(),
            octets_max,
            held: AtomicUsize::new(0),
        }
    }
}

/// What goes wrong with a filter.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Unreached(#[from] net::Error),
    #[error("it has gone: {0}")]
    Gone(#[from] io::Error),
    #[error("it does not answer in time")]
    Slow,
    #[error("it says {0}")]
    Wrong(#[from] milter::Error),
    #[error(transparent)]
    Unanswered(#[from] net::HttpError),
    #[error("it says {0}")]
    Unjudged(#[from] milter::RspamdError),
}

/// What is known of whoever sends, and of a letter: the macros that filters are told.
#[derive(Debug, Default)]
pub(crate) struct Facts(Vec<(&'static str, String)>);

impl Facts {
    /// Forgets one.
    pub(crate) fn forget(&mut self, name: &'static str) {
        self.0.retain(|(known, _)| *known != name);
    }

    /// What is known of one; nothing where that is unknown.
    fn known(&self, name: &str) -> &str {
        let mut all = self.0.iter();
        let known = all.find(|(known, _)| *known == name);
        known.map_or("", |(_, value)| value)
    }

    /// Learns one more.
    pub(crate) fn learn(&mut self, name: &'static str, value: impl Into<String>) {
        self.forget(name);
        self.0.push((name, value.into()));
    }
}

/// A connection's filters.
#[derive(Debug)]
pub(crate) struct Filters {
    milters: Arc<Milters>,
    slots: Vec<Slot>,
    peer: Peer,
    facts: Facts,
    /// What the peer calls itself.
    helo: String,
    held: Held,
    /// True if a filter wants the letter thrown away.
    is_discarded: bool,
}

/// One filter's place.
#[derive(Debug)]
struct Slot {
    settings: Arc<MilterSettings>,
    state: State,
    /// What it was told last that the peer calls itself.
    helo: String,
    /// True while it is told of a letter.
    is_told: bool,
}

#[derive(Debug)]
enum State {
    Uncalled,
    Open(Box<Line>),
    /// It is asked no more: it has accepted all of the connection, or is away.
    Over,
}

/// A letter that is held for filters.
#[derive(Debug)]
pub(crate) struct Held {
    milters: Arc<Milters>,
    pub(crate) octets: Vec<u8>,
    counted: usize,
}

/// What filters make of a letter.
#[derive(Debug, Default)]
pub(crate) struct Filtered {
    /// The letter as it is kept.
    pub(crate) octets: Vec<u8>,
    /// What changes of its envelope, in order.
    pub(crate) envelope: Vec<Change>,
    /// True if it is kept apart.
    pub(crate) is_suspected: bool,
    /// True if it is thrown away.
    pub(crate) is_discarded: bool,
    /// True if whoever hands it in is to come back with it, unless they did.
    pub(crate) asks_back: bool,
    /// How likely it is spam, of a hundred, where somebody says so.
    pub(crate) percent: Option<u8>,
    /// What each filter has done.
    pub(crate) notes: Vec<String>,
}

/// What one filter makes of a letter that it was shown.
#[derive(Debug, Default)]
struct Shown {
    changes: Vec<Change>,
    is_discarded: bool,
    asks_back: bool,
    percent: Option<u8>,
    /// What it says of it.
    says: Option<String>,
}

/// What follows of a filter's word.
enum Next {
    Go,
    /// This filter is told no more of this letter.
    Enough,
    /// It is to be thrown away.
    Discard,
    Refuse(Refusal),
}

impl Filters {
    /// The filters at a door, if there are any.
    pub(crate) fn at(milters: &Arc<Milters>, protocol: Protocol, peer: Peer) -> Option<Box<Self>> {
        let here = milters.all.iter();
        let here = here.filter(|one| one.protocols.contains(&protocol));
        let slots: Vec<Slot> = here
            .map(|settings| Slot {
                settings: Arc::clone(settings),
                state: State::Uncalled,
                helo: String::new(),
                is_told: false,
            })
            .collect();
        (!slots.is_empty()).then(|| {
            Box::new(Self {
                milters: Arc::clone(milters),
                slots,
                peer,
                facts: Facts::default(),
                helo: String::new(),
                held: Held::new(milters),
                is_discarded: false,
            })
        })
    }

    /// What filters are told besides.
    pub(crate) fn facts(&mut self) -> &mut Facts {
        &mut self.facts
    }

    /// Tells them that a letter begins.
    pub(crate) async fn begin(
        &mut self,
        helo: &str,
        path: &str,
        words: &[String],
    ) -> Result<(), Refusal> {
        self.is_discarded = false;
        self.held = Held::new(&self.milters);
        helo.clone_into(&mut self.helo);
        for slot in &mut self.slots {
            if matches!(slot.settings.asked, Asked::Rspamd(_)) {
                slot.is_told = !matches!(slot.state, State::Over);
                continue;
            }
            if matches!(slot.state, State::Uncalled) {
                let opened = slot.open(&self.peer, &self.facts).await;
                slot.spare(opened, |next| next)?;
            }
            if slot.helo != helo {
                helo.clone_into(&mut slot.helo);
                let told = slot.tell(&Event::Helo(helo), &self.facts, true).await;
                slot.spare(told, |next| next)?;
            }
            slot.is_told = matches!(slot.state, State::Open(_));
            let event = Event::Sender(path, words);
            let told = slot.tell(&event, &self.facts, false).await;
            self.is_discarded |= slot.spare(told, |next| next)?;
        }
        Ok(())
    }

    /// Tells them of a recipient.
    pub(crate) async fn recipient(&mut self, path: &str) -> Result<(), Refusal> {
        for slot in &mut self.slots {
            let event = Event::Recipient(path, &[]);
            let told = slot.tell(&event, &self.facts, false).await;
            self.is_discarded |= slot.spare(told, |next| next)?;
        }
        Ok(())
    }

    /// True if somebody wants to see the letter.
    pub(crate) fn wants_letter(&self) -> bool {
        self.is_discarded || self.slots.iter().any(|slot| slot.is_told)
    }

    /// Holds a piece of the letter; what is held where it is too large for all of them.
    ///
    /// # Errors
    /// Where there is no room for it now.
    pub(crate) async fn hold(&mut self, piece: &[u8]) -> Result<Option<Held>, Refusal> {
        let sizes = self.slots.iter().map(|slot| slot.settings.octets_max);
        let most = sizes.max().unwrap_or_default();
        if self.held.octets.len().saturating_add(piece.len()) > most && !self.is_discarded {
            tracing::info!(most, "a letter is too large for its filters");
            self.forget().await;
            return Ok(Some(self.take()));
        }
        if self.is_discarded || self.held.add(piece) {
            return Ok(None);
        }
        let text = "Too many letters at once; please try again later";
        Err(Refusal::new(452, Enhanced::new(4, 3, 1), text))
    }

    /// Shows them the letter, one after the other; these are those who get it.
    ///
    /// # Errors
    /// As one of them refuses it, or where one is away.
    pub(crate) async fn finish(
        &mut self,
        recipients: &[String],
    ) -> Result<(Held, Filtered), Refusal> {
        let came = self.take();
        let mut filtered = Filtered {
            is_discarded: self.is_discarded,
            ..Filtered::default()
        };
        let mut letter = Letter::read(&came.octets);
        for slot in &mut self.slots {
            if filtered.is_discarded {
                break;
            }
            if came.octets.len() > slot.settings.octets_max {
                slot.abort().await;
                continue;
            }
            let way = Way {
                client: self.peer.address.map(|address| address.ip()),
                helo: &self.helo,
                facts: &self.facts,
                recipients,
            };
            let shown = Box::pin(slot.show(&letter, &way)).await;
            let shown = match shown {
                Ok(Ok(shown)) => shown,
                Ok(Err(refusal)) => return Err(refusal),
                Err(trouble) => {
                    slot.spare::<()>(Err(trouble), |()| Next::Go)?;
                    continue;
                }
            };
            letter.change(&shown.changes);
            filtered.take(&slot.settings.name, shown);
        }
        filtered.octets = letter.octets();
        Ok((came, filtered))
    }

    fn take(&mut self) -> Held {
        std::mem::replace(&mut self.held, Held::new(&self.milters))
    }

    /// Tells them that the letter does not come to its end.
    pub(crate) async fn forget(&mut self) {
        for slot in &mut self.slots {
            slot.abort().await;
        }
    }
}

impl Slot {
    /// Calls the filter, and tells it who is there.
    async fn open(&mut self, peer: &Peer, facts: &Facts) -> Result<Next, Trouble> {
        let Asked::Milter(endpoint) = &self.settings.asked else {
            return Ok(Next::Go);
        };
        let octets_max = self.settings.octets_max.saturating_add(CHANGE_OCTETS_MAX);
        let line = Line::open(endpoint, octets_max, self.settings.timeout).await?;
        self.state = State::Open(Box::new(line));
        self.tell(&Event::Connect(peer), facts, true).await
    }

    /// Tells the filter something; where it accepts it in a connection's beginning, it is told no
    /// more of that at all.
    async fn tell(
        &mut self,
        event: &Event<'_>,
        facts: &Facts,
        is_beginning: bool,
    ) -> Result<Next, Trouble> {
        let State::Open(line) = &mut self.state else {
            return Ok(Next::Go);
        };
        if !self.is_told && !is_beginning {
            return Ok(Next::Go);
        }
        let Some(Heard::Verdict(verdict)) = line.tell(event, facts).await? else {
            return Ok(Next::Go);
        };
        let next = next(&self.settings.name, verdict);
        match next {
            Next::Enough if is_beginning => {
                self.state = State::Over;
                self.is_told = false;
            }
            Next::Enough | Next::Discard => self.is_told = false,
            Next::Go | Next::Refuse(_) => {}
        }
        Ok(next)
    }

    /// Shows the filter a letter: what it makes of it.
    async fn show(
        &mut self,
        letter: &Letter,
        way: &Way<'_>,
    ) -> Result<Result<Shown, Refusal>, Trouble> {
        if !std::mem::take(&mut self.is_told) {
            return Ok(Ok(Shown::default()));
        }
        let (mut shown, verdict) = match (&mut self.state, &self.settings.asked) {
            (_, Asked::Rspamd(rspamd)) => rspamd.show(letter, way, self.settings.timeout).await?,
            (State::Open(line), _) => {
                let told = timeout(WORK_PATIENCE, line.show(letter, way.facts));
                let (changes, verdict) = told.await.map_err(|_| Trouble::Slow)??;
                let shown = Shown {
                    changes,
                    ..Shown::default()
                };
                (shown, verdict)
            }
            _ => return Ok(Ok(Shown::default())),
        };
        match next(&self.settings.name, verdict) {
            Next::Refuse(refusal) => {
                let Some(says) = shown.says else {
                    return Ok(Err(refusal));
                };
                let cause = format!("{}: {says}", refusal.cause);
                return Ok(Err(refusal.because(cause)));
            }
            Next::Discard => shown.is_discarded = true,
            Next::Go | Next::Enough => {}
        }
        Ok(Ok(shown))
    }

    /// What follows of what the filter has said, or of its being away; true if the letter is to be
    /// thrown away.
    fn spare<T>(
        &mut self,
        said: Result<T, Trouble>,
        next: impl FnOnce(T) -> Next,
    ) -> Result<bool, Refusal> {
        let filter = &self.settings.name;
        match said.map(next) {
            Ok(Next::Go | Next::Enough) => Ok(false),
            Ok(Next::Discard) => Ok(true),
            Ok(Next::Refuse(refusal)) => Err(refusal),
            Err(trouble) => {
                tracing::warn!(filter, %trouble, "a filter is away");
                self.is_told = false;
                if self.settings.is_spared {
                    self.state = State::Over;
                    return Ok(false);
                }
                // The next letter may find it.
                self.state = State::Uncalled;
                self.helo.clear();
                let text = "A filter of ours does not answer; please try again later";
                let cause = format!("{filter}: {trouble}");
                Err(Refusal::new(451, Enhanced::new(4, 7, 1), text).because(cause))
            }
        }
    }

    async fn abort(&mut self) {
        if !std::mem::take(&mut self.is_told) {
            return;
        }
        let State::Open(line) = &mut self.state else {
            return;
        };
        if line.abort().await.is_err() {
            self.state = State::Uncalled;
            self.helo.clear();
        }
    }
}

impl Filtered {
    /// Takes over what a filter makes of a letter, but for the octets.
    fn take(&mut self, filter: &str, shown: Shown) {
        self.is_discarded |= shown.is_discarded;
        self.asks_back |= shown.asks_back;
        self.percent = self.percent.max(shown.percent);
        let says = shown
            .says
            .map(|says| format!("the filter {filter} says {says}"));
        self.notes.extend(says);
        self.notes.extend(note(filter, &shown.changes));
        for change in shown.changes {
            match change {
                Change::Quarantine(_) => self.is_suspected = true,
                Change::AddRecipient(..)
                | Change::RemoveRecipient(_)
                | Change::ChangeSender(..) => self.envelope.push(change),
                _ => {}
            }
        }
    }
}

impl Held {
    fn new(milters: &Arc<Milters>) -> Self {
        Self {
            milters: Arc::clone(milters),
            octets: Vec::new(),
            counted: 0,
        }
    }

    /// False if there is no room for it.
    fn add(&mut self, piece: &[u8]) -> bool {
        let (held, most) = (&self.milters.held, self.milters.octets_max);
        let before = held.fetch_add(piece.len(), Ordering::Relaxed);
        if before.saturating_add(piece.len()) > most {
            held.fetch_sub(piece.len(), Ordering::Relaxed);
            return false;
        }
        self.counted += piece.len();
        self.octets.extend_from_slice(piece);
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.milters.held.fetch_sub(self.counted, Ordering::Relaxed);
    }
}

/// What follows of a verdict.
fn next(filter: &str, verdict: Verdict) -> Next {
    let refuse = |code, (class, subject, detail), text: String| {
        let refusal = Refusal::new(code, Enhanced::new(class, subject, detail), text);
        Next::Refuse(refusal.because(format!("so says the filter {filter}")))
    };
    match verdict {
        Verdict::Continue | Verdict::Skip => Next::Go,
        Verdict::Accept => Next::Enough,
        Verdict::Discard => Next::Discard,
        Verdict::Reject => refuse(550, (5, 7, 1), "A filter here refuses this".to_owned()),
        Verdict::TemporaryFailure => {
            let text = "A filter here cannot take this now; please try again later";
            refuse(451, (4, 7, 1), text.to_owned())
        }
        Verdict::Shutdown => {
            let text = "A filter here has had enough; please try again later";
            refuse(421, (4, 7, 0), text.to_owned())
        }
        Verdict::Reply(code, enhanced, text) => {
            let class = if code >= 500 { 5 } else { 4 };
            let text = match text.is_empty() {
                true => "A filter here refuses this".to_owned(),
                false => text,
            };
            refuse(code, enhanced.unwrap_or((class, 7, 1)), text)
        }
    }
}

/// What is told of what a filter has changed; nothing where it changes nothing.
fn note(filter: &str, changes: &[Change]) -> Option<String> {
    let mut deeds = BTreeSet::new();
    for change in changes {
        deeds.insert(match change {
            Change::AddField { name, .. } | Change::InsertField { name, .. } => {
                format!("added {}", String::from_utf8_lossy(name))
            }
            Change::ChangeField { name, .. } => {
                format!("changed {}", String::from_utf8_lossy(name))
            }
            Change::RemoveField { name, .. } => {
                format!("removed {}", String::from_utf8_lossy(name))
            }
            Change::ReplaceBody(_) => "changed the body".to_owned(),
            Change::AddRecipient(path, _) => format!("added the recipient {path}"),
            Change::RemoveRecipient(path) => format!("removed the recipient {path}"),
            Change::ChangeSender(path, _) => format!("changed the sender to {path}"),
            Change::Quarantine(reason) => format!("set it apart ({reason})"),
        });
    }
    let deeds: Vec<String> = deeds.into_iter().collect();
    (!deeds.is_empty()).then(|| format!("the filter {filter} has {}", deeds.join(", ")))
}
