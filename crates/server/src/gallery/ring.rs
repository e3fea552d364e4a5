//! What waits for one who looks on.

use std::collections::VecDeque;
use std::mem;
use std::sync::Mutex;

use mail::{Address, ConnId};
use tokio::sync::Notify;

use super::{Presence, Standing, locked};
use crate::settings::Protocol;

/// Octets of text that may wait.
const WAITING_OCTETS_MAX: usize = 1024 * 1024;
/// Conversations whose end may wait to be told.
const ENDS_MAX: usize = 4096;

/// Which conversations somebody wants to see, and how.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// Those of this account.
    pub(crate) account: Option<Address>,
    /// This one.
    pub(crate) conn: Option<ConnId>,
    /// Those in this protocol.
    pub(crate) protocol: Option<Protocol>,
    /// True if contents are wanted as well.
    pub(crate) bodies: bool,
    /// True if only conversations are wanted that can be seen from their beginning.
    pub(crate) whole: bool,
}

/// Whether a conversation is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Yes,
    No,
    /// Nobody has logged in yet.
    Later,
}

/// What was put down and waits for one who looks on.
#[derive(Debug)]
pub(crate) struct Ring {
    pub(super) filter: Filter,
    waiting: Mutex<Waiting>,
    news: Notify,
}

/// A piece of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Whose.
    pub(crate) conn: ConnId,
    /// Whole lines; none says that it has ended.
    pub(crate) text: String,
}

#[derive(Debug, Default)]
struct Waiting {
    pieces: VecDeque<Piece>,
    octets: usize,
    /// Lines that found no room since, and whose the first was.
    lost: Option<(ConnId, usize)>,
    ends: usize,
}

impl Filter {
    pub(super) fn wants(&self, presence: &Presence, standing: &Standing) -> Wanted {
        let conn = self.conn.is_none_or(|conn| conn == presence.peer.conn);
        let protocol = self
            .protocol
            .is_none_or(|protocol| protocol == presence.beginning.protocol);
        match (&self.account, &standing.account) {
            _ if !conn || !protocol => Wanted::No,
            (None, _) => Wanted::Yes,
            (Some(_), None) => Wanted::Later,
            (Some(wanted), Some(account)) if wanted == account => Wanted::Yes,
            (Some(_), Some(_)) => Wanted::No,
        }
    }
}

impl Ring {
    pub(super) fn new(filter: Filter) -> Self {
        Self {
            filter,
            waiting: Mutex::default(),
            news: Notify::new(),
        }
    }

    /// Adds lines, or counts them as lost.
    pub(super) fn push(&self, conn: ConnId, text: String) {
        if text.is_empty() {
            return;
        }
        let mut waiting = locked(&self.waiting);
        if waiting.octets + text.len() > WAITING_OCTETS_MAX {
            let (_, lost) = waiting.lost.get_or_insert((conn, 0));
            *lost += text.lines().count();
        } else {
            if let Some(piece) = waiting.tell_lost() {
                waiting.pieces.push_back(piece);
            }
            waiting.octets += text.len();
            waiting.pieces.push_back(Piece { conn, text });
        }
        drop(waiting);
        self.news.notify_one();
    }

    /// Says that a conversation has ended.
    pub(super) fn end(&self, conn: ConnId) {
        let mut waiting = locked(&self.waiting);
        if waiting.ends < ENDS_MAX {
            let text = String::new();
            waiting.ends += 1;
            waiting.pieces.push_back(Piece { conn, text });
        }
        drop(waiting);
        self.news.notify_one();
    }

    /// Takes the next piece.
    pub(crate) fn take(&self) -> Option<Piece> {
        let mut waiting = locked(&self.waiting);
        let Some(piece) = waiting.pieces.pop_front() else {
            return waiting.tell_lost();
        };
        waiting.octets = waiting.octets.saturating_sub(piece.text.len());
        waiting.ends -= usize::from(piece.text.is_empty()).min(waiting.ends);
        Some(piece)
    }

    /// Waits until there is something to take; may be dropped at any time.
    pub(crate) async fn news(&self) {
        while locked(&self.waiting).is_empty() {
            self.news.notified().await;
        }
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.lost.is_none()
    }

    /// The comment that says how much was lost before what comes now.
    fn tell_lost(&mut self) -> Option<Piece> {
        let (conn, lost) = mem::take(&mut self.lost)?;
        let text = format!("# … {lost} lines lost\n");
        Some(Piece { conn, text })
    }
}
