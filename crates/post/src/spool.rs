//! A message's octets on their way in: in memory while they are few, then streamed into the store.
//!
//! Either way its outline is there when its last octet is: a few are read at the end, many as they
//! pass.
//!
//! Not here: what is put in front of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use message::AuthenticationResults;
use message::view::{Bodies, preview, preview_spans};
use message::{Limits, Outline, Scanner};
use store::{Hint, Stage, Staged, Store};

use crate::gap::{Fronted, Gap};
use crate::tables::EmailRow;
use crate::{Error, Outcome, Post, Why};

/// Octets of a header that must be whole where the house is crowded.
const CROWDED_HEADER_OCTETS_MAX: usize = 32 * 1024;

/// Octets that a scanner may have in memory where the house is crowded.
const CROWDED_SCANNER_OCTETS_MAX: usize = 64 * 1024;

/// Octets of a streamed message's beginning that are kept, for scripts and to make its preview of:
/// most large letters are so for what is attached behind their text.
const BEGINNING_OCTETS_MAX: usize = 128 * 1024;

/// A message on its way in.
#[derive(Debug)]
pub(crate) struct Spool {
    store: Arc<dyn Store>,
    octets: u64,
    octets_max: u64,
    memory_max: usize,
    /// All that are in memory at the same time.
    crowd: Crowd,
    place: Place,
}

/// Octets of messages on their way that are in memory: those of one, and of all in the house;
/// what scanners keep of them as well.
#[derive(Debug)]
struct Crowd {
    own: usize,
    /// Of the own, what is kept of the message elsewhere.
    beside: usize,
    all: Arc<AtomicUsize>,
    all_max: usize,
}

#[derive(Debug)]
enum Place {
    Memory(Vec<u8>),
    Store(Streamed),
    /// It was too large: the rest is swallowed.
    Nowhere,
}

/// What passes into the store, read on the way.
#[derive(Debug)]
struct Streamed {
    stage: Box<dyn Stage>,
    /// `None` if it took too much memory where the house is crowded.
    scanner: Option<Box<Scanner>>,
    /// Where the house is crowded not much more than its header.
    beginning: Vec<u8>,
    /// The beginning does not grow any more.
    is_cut: bool,
    end: End,
    /// What is put in at the end.
    gap: Option<Gap>,
}

/// The last two octets of a message, as far as it has passed, and whether all were ASCII.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct End {
    before: Option<u8>,
    last: Option<u8>,
    beyond_ascii: bool,
}

impl End {
    pub(crate) fn pass(&mut self, octets: &[u8]) {
        self.beyond_ascii = self.beyond_ascii || !octets.is_ascii();
        for &octet in octets.last_chunk::<2>().map_or(octets, |two| two) {
            self.before = self.last.replace(octet);
        }
    }

    pub(crate) fn is_unended(self) -> bool {
        self.last.is_some() && (self.before, self.last) != (Some(b'\r'), Some(b'\n'))
    }
}

/// A message that has arrived whole.
#[derive(Clone, Debug)]
pub(crate) struct Spooled {
    pub(crate) staged: Staged,
    /// Encoded; `None` where the house was too crowded to read it in passing.
    pub(crate) outline: Option<Bytes>,
    /// The same as it was read, where the whole message was in memory.
    pub(crate) read: Option<Arc<Outline>>,
    /// Its last line has no CRLF.
    pub(crate) unended: bool,
    /// All its octets are ASCII.
    pub(crate) is_ascii: bool,
    /// `None` where its texts were not in memory.
    pub(crate) preview: Option<String>,
    /// The first octets of a streamed message, its header among them.
    pub(crate) beginning: Option<Bytes>,
}

impl Spooled {
    /// A message that is in memory whole.
    pub(crate) fn of(octets: Vec<u8>) -> Self {
        let outline = Outline::parse(&octets);
        let preview = preview(&Bodies::of(&outline.root), &octets);
        let mut end = End::default();
        end.pass(&octets);
        Self {
            unended: end.is_unended(),
            is_ascii: !end.beyond_ascii,
            outline: Some(outline.encode().into()),
            read: Some(Arc::new(outline)),
            preview: Some(preview),
            beginning: None,
            staged: Staged::of(octets.into()),
        }
    }

    /// Its row, in whatever mailboxes it will be.
    pub(crate) fn row(&self) -> EmailRow {
        EmailRow {
            blob: self.staged.blob,
            hint: Hint::NONE,
            bare: false,
            size: self.staged.len,
            outline: self.outline.clone(),
            preview: self.preview.clone().map(Bytes::from),
        }
    }
}

impl Spool {
    pub(crate) fn new(house: &Post) -> Self {
        let rules = house.rules();
        Self {
            store: Arc::clone(&house.inner.store),
            octets: 0,
            octets_max: rules.message_octets_max,
            memory_max: rules.body_memory_octets_max,
            crowd: Crowd {
                own: 0,
                beside: 0,
                all: Arc::clone(&house.inner.bodies),
                all_max: rules.bodies_memory_octets_max,
            },
            place: Place::Memory(Vec::new()),
        }
    }

    /// Octets that were taken.
    pub(crate) const fn octets(&self) -> u64 {
        self.octets
    }

    /// The message, or its beginning where it is streamed.
    pub(crate) fn beginning(&self) -> &[u8] {
        match &self.place {
            Place::Memory(octets) => octets,
            Place::Store(streamed) => &streamed.beginning,
            Place::Nowhere => &[],
        }
    }

    /// Counts what is kept of the message beside it with what it keeps itself.
    pub(crate) fn keeps_beside(&mut self, octets: usize) {
        let own = self.crowd.own.saturating_sub(self.crowd.beside);
        self.crowd.beside = octets;
        self.crowd.set(own);
    }

    /// Takes a piece. The first octets go through `front` before they leave the memory: it may
    /// put something before them.
    pub(crate) async fn push<F: Into<Fronted>>(
        &mut self,
        bytes: Bytes,
        front: impl FnOnce(Vec<u8>) -> Outcome<F>,
    ) -> Outcome<()> {
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.octets = self.octets.saturating_add(len);
        if self.octets > self.octets_max {
            self.place = Place::Nowhere;
            return Err(too_big());
        }
        let early = match &mut self.place {
            Place::Nowhere => return Err(too_big()),
            Place::Store(streamed) => return streamed.push(bytes, &mut self.crowd).await,
            Place::Memory(octets) => {
                octets.extend_from_slice(&bytes);
                self.crowd.set(octets.len());
                let fits = octets.len() <= self.memory_max;
                if fits && !self.crowd.is_dense() {
                    return Ok(());
                }
                // The beginning is not enough to go on with.
                if fits && octets.len() < CROWDED_HEADER_OCTETS_MAX && !has_header(octets) {
                    return Ok(());
                }
                fits
            }
        };
        let Place::Memory(octets) = std::mem::replace(&mut self.place, Place::Nowhere) else {
            return Ok(());
        };
        self.crowd.set(0);
        let fronted = front(octets).map_err(|error| match error.why() {
            // At another time there is room for such a header.
            Why::TooBig if early => Error::limit("Too much mail at once; please try again later"),
            _ => error,
        })?;
        let Fronted { octets, gap } = fronted.into();
        let mut streamed = Streamed {
            stage: self.store.stage(),
            scanner: Some(Box::new(Scanner::new(&Limits::HOUSE))),
            beginning: Vec::new(),
            is_cut: false,
            end: End::default(),
            gap: None,
        };
        streamed.push(octets.into(), &mut self.crowd).await?;
        streamed.gap = gap;
        self.place = Place::Store(streamed);
        Ok(())
    }

    /// Puts in what was left open near the beginning of a message that went into the store before
    /// its end was there, and gives back what it begins with now; `None` where nothing was.
    pub(crate) async fn close_gap(
        &mut self,
        results: Option<&AuthenticationResults>,
    ) -> Outcome<Option<Bytes>> {
        let Place::Store(streamed) = &mut self.place else {
            return Ok(None);
        };
        let Some(gap) = streamed.gap.take() else {
            return Ok(None);
        };
        let front = gap.filled(results)?;
        let amended = streamed.stage.amend(front.clone()).await;
        amended.map_err(writing())?;
        if let Some(first) = streamed.beginning.get_mut(..front.len()) {
            first.copy_from_slice(&front);
        }
        Ok(Some(front))
    }

    /// Ends it.
    pub(crate) async fn finish<F: Into<Fronted>>(
        &mut self,
        front: impl FnOnce(Vec<u8>) -> Outcome<F>,
    ) -> Outcome<Spooled> {
        match std::mem::replace(&mut self.place, Place::Nowhere) {
            Place::Nowhere => Err(too_big()),
            Place::Memory(octets) => {
                let Fronted { octets, .. } = front(octets)?.into();
                Ok(Spooled::of(octets))
            }
            Place::Store(streamed) => {
                let outline = streamed.scanner.map(|scanner| scanner.finish().outline());
                let staged = streamed.stage.finish().await.map_err(writing())?;
                let beginning = streamed.beginning;
                let preview = outline.as_ref();
                let preview = preview.and_then(|outline| preview_within(outline, &beginning));
                Ok(Spooled {
                    unended: streamed.end.is_unended(),
                    is_ascii: !streamed.end.beyond_ascii,
                    staged,
                    outline: outline.map(|outline| outline.encode().into()),
                    read: None,
                    preview,
                    beginning: Some(beginning.into()),
                })
            }
        }
    }
}

impl Streamed {
    /// Takes a piece as it is stored.
    async fn push(&mut self, bytes: Bytes, crowd: &mut Crowd) -> Outcome<()> {
        if let Some(gap) = &mut self.gap {
            gap.feed(&bytes);
            crowd.beside = crowd.beside.max(gap.memory_octets());
        }
        let scanner = self.scanner.as_mut();
        let octets = scanner.map_or(0, |scanner| {
            scanner.push(&bytes);
            scanner.memory_octets()
        });
        if !self.is_cut {
            let room = BEGINNING_OCTETS_MAX.saturating_sub(self.beginning.len());
            let fits = bytes.get(..room).unwrap_or(&bytes);
            self.beginning.extend_from_slice(fits);
        }
        crowd.set(octets.saturating_add(self.beginning.len()));
        if crowd.is_dense() {
            self.is_cut = true;
            self.beginning.truncate(CROWDED_HEADER_OCTETS_MAX);
            self.beginning.shrink_to_fit();
            crowd.set(octets.saturating_add(self.beginning.len()));
            if octets > CROWDED_SCANNER_OCTETS_MAX && crowd.is_dense() {
                self.scanner = None;
                crowd.set(self.beginning.len());
            }
        }
        self.end.pass(&bytes);
        self.stage.write(bytes).await.map_err(writing())
    }
}

/// The preview, if all that is looked at for it is in the message's beginning.
fn preview_within(outline: &Outline, beginning: &[u8]) -> Option<String> {
    let bodies = Bodies::of(&outline.root);
    let len = u64::try_from(beginning.len()).unwrap_or(u64::MAX);
    let within = preview_spans(&bodies).all(|span| span.end() <= len);
    within.then(|| preview(&bodies, beginning))
}

impl Crowd {
    fn set(&mut self, octets: usize) {
        let octets = octets.saturating_add(self.beside);
        self.all.fetch_add(octets, Ordering::Relaxed);
        self.all.fetch_sub(self.own, Ordering::Relaxed);
        self.own = octets;
    }

    fn is_dense(&self) -> bool {
        self.all.load(Ordering::Relaxed) > self.all_max
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.beside = 0;
        self.set(0);
    }
}

fn has_header(octets: &[u8]) -> bool {
    octets.starts_with(b"\r\n") || octets.windows(4).any(|four| four == b"\r\n\r\n")
}

pub(crate) fn too_big() -> Error {
    Error::refused(Why::TooBig, 552, [5, 3, 4], "The message is too large")
}

fn writing() -> impl FnOnce(store::Error) -> Error {
    Error::reading("writing a message")
}
