//! One conversation's place, seen by those who look on.

use std::mem;
use std::sync::Arc;

use mail::Address;
use net::Onlooker;
use wire::recording::{Event, Manner, Recorder};

use super::ring::{Ring, Wanted};
use super::{Gallery, Presence, Standing, locked};
use crate::settings::Protocol;

/// Octets kept of a conversation until it is known whose it is.
const PENDING_OCTETS_MAX: usize = 64 * 1024;

/// A connection's seat; it is empty once this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    gallery: Arc<Gallery>,
    presence: Arc<Presence>,
    views: Vec<View>,
    /// The gallery's when the views were looked after last.
    generation: Option<usize>,
    /// True once the conversation has begun.
    begun: bool,
    phase: &'static str,
    encrypted: bool,
}

/// What one who looks on sees.
#[derive(Debug)]
struct View {
    ring: Arc<Ring>,
    recorder: Recorder,
    /// What was put down while it is not known whose conversation it is.
    pending: Option<String>,
}

impl Seat {
    pub(super) const fn new(gallery: Arc<Gallery>, presence: Arc<Presence>) -> Self {
        Self {
            gallery,
            presence,
            views: Vec::new(),
            generation: None,
            begun: false,
            phase: "",
            encrypted: false,
        }
    }

    /// Hears who has logged in, or that nobody is any more.
    pub(crate) fn belongs_to(&mut self, account: Option<&Address>) {
        locked(&self.presence.standing).account = account.cloned();
        // Some may want to see it now, others no more.
        self.generation = None;
    }

    /// Hears where the session rests.
    pub(crate) fn rests(&mut self, phase: &'static str, encrypted: bool) {
        if (phase, encrypted) != (self.phase, self.encrypted) {
            (self.phase, self.encrypted) = (phase, encrypted);
            let mut standing = locked(&self.presence.standing);
            (standing.phase, standing.encrypted) = (phase, encrypted);
        }
    }

    /// Whoever looks on.
    pub(crate) fn onlooker(&mut self) -> Option<&mut dyn Onlooker> {
        let begins = !mem::replace(&mut self.begun, true);
        if self.gallery.is_empty() && self.views.is_empty() {
            return None;
        }
        let generation = Some(self.gallery.generation());
        if self.generation != generation {
            self.generation = generation;
            self.look_after(begins);
        }
        if self.views.is_empty() {
            return None;
        }
        Some(self)
    }

    /// Makes a view for each who wants to see this conversation, and lets go of the others.
    fn look_after(&mut self, begins: bool) {
        let standing = self.presence.standing();
        let mut before = mem::take(&mut self.views);
        for ring in self.gallery.rings() {
            let mut views = before.extract_if(.., |view| Arc::ptr_eq(&view.ring, &ring));
            let view = views.next();
            drop(views);
            let wanted = ring.filter.wants(&self.presence, &standing);
            let known = view.is_some();
            if wanted == Wanted::No || (!known && !begins && ring.filter.whole) {
                before.extend(view);
                continue;
            }
            let mut view = view.unwrap_or_else(|| self.view(ring, begins));
            match wanted {
                Wanted::Later => drop(view.pending.get_or_insert_default()),
                _ => view.flush(&self.presence),
            }
            self.views.push(view);
        }
        for view in before {
            view.end(&self.presence, &standing);
        }
    }

    fn view(&self, ring: Arc<Ring>, begins: bool) -> View {
        let beginning = self.presence.beginning;
        let literals = matches!(beginning.protocol, Protocol::Imap | Protocol::ManageSieve);
        let bodies = ring.filter.bodies;
        let manner = |prologue: String| Manner {
            bodies,
            literals,
            prologue,
        };
        let recorder = match begins {
            true => Recorder::new(manner(beginning.comments())),
            false => Recorder::midway(manner("# from the middle of a conversation\n".to_owned())),
        };
        View {
            ring,
            recorder,
            pending: None,
        }
    }
}

impl Onlooker for Seat {
    fn see(&mut self, event: Event<'_>) {
        for view in &mut self.views {
            view.recorder.see(event.clone());
            let text = view.recorder.take();
            view.put(&self.presence, text);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.gallery.leave(self.presence.peer.conn);
        let standing = self.presence.standing();
        for view in mem::take(&mut self.views) {
            view.end(&self.presence, &standing);
        }
    }
}

impl View {
    fn put(&mut self, presence: &Presence, text: String) {
        let Some(pending) = &mut self.pending else {
            return self.ring.push(presence.peer.conn, text);
        };
        if pending.len() + text.len() > PENDING_OCTETS_MAX {
            *pending = "# what came before is not kept\n".to_owned();
        }
        if text.len() < PENDING_OCTETS_MAX {
            pending.push_str(&text);
        }
    }

    /// It is known now that the conversation is wanted.
    fn flush(&mut self, presence: &Presence) {
        if let Some(pending) = self.pending.take() {
            self.ring.push(presence.peer.conn, pending);
        }
    }

    /// The conversation has ended, or is of another account now. Of one that never was anybody's,
    /// nothing is shown.
    fn end(mut self, presence: &Presence, standing: &Standing) {
        let wanted = self.ring.filter.wants(presence, standing);
        if self.pending.is_none() {
            if wanted == Wanted::Yes {
                let rest = self.recorder.finish();
                self.put(presence, rest);
            }
            self.ring.end(presence.peer.conn);
        }
    }
}
