//! A door without a listener: whoever has connections of its own hands them in.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use net::{Clock, Peer, Socket, Stop, Terms};
use post::Post;

use crate::fetch::Fetcher;
use crate::gallery::Gallery;
use crate::settings::{Door, Protocol, Settings};
use crate::visit::{Hall, Visit};
use crate::{control, imap, managesieve, metrics, pop3, smtp};

/// A conversation from its first octet to its end.
pub type Conversation = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The entrance behind one door: the same sessions and answers as behind a listener.
pub struct Entrance {
    hall: Arc<Hall>,
    smtp: Arc<::smtp::Policy>,
    imap: Arc<::imap::Policy>,
}

impl Entrance {
    /// An entrance where this door would be; to be made inside the runtime whose clock counts.
    #[must_use]
    pub fn new(settings: Arc<Settings>, door: Door, post: Post) -> Self {
        let terms = Terms {
            farewell: door.protocol.farewell(),
            ..Terms::new(Clock::start())
        };
        let hall = Arc::new(Hall {
            forwards: None,
            fetcher: Fetcher::new(post.clone()),
            settings,
            door,
            post,
            terms,
            gallery: Arc::new(Gallery::default()),
            began: Clock::today(),
            auditor: None,
            sieve_port: None,
        });
        Self {
            smtp: smtp::policy(&hall),
            imap: imap::policy(&hall),
            hall,
        }
    }

    /// Converses with a peer until it has gone.
    pub fn attend(&self, socket: Socket, peer: Peer, stop: Stop) -> Conversation {
        let visit = Visit::new(Arc::clone(&self.hall), socket, peer, stop);
        match self.hall.door.protocol {
            Protocol::Smtp | Protocol::Submission | Protocol::Lmtp | Protocol::Local => {
                Box::pin(smtp::converse(visit, &self.smtp))
            }
            Protocol::Imap => Box::pin(imap::converse(visit, &self.imap)),
            Protocol::Pop3 => Box::pin(pop3::converse(visit)),
            Protocol::ManageSieve => Box::pin(managesieve::converse(visit)),
            Protocol::Metrics => Box::pin(metrics::converse(visit)),
            Protocol::Control => Box::pin(control::converse(visit)),
        }
    }
}

impl fmt::Debug for Entrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entrance({:?})", self.hall.door.protocol)
    }
}
