//! Opens the doors, attends them, and shuts them again.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use net::{Clock, Endpoint, Gate, Identity, Listener, Stop, Stopper, Terms};
use post::{Elsewhere, Post};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::audit::Auditor;
use crate::fetch::Fetcher;
use crate::forwards::{self, ForwardDesk};
use crate::gallery::Gallery;
use crate::pickup::{self, LocalSettings};
use crate::settings::{Door, Protocol, Settings};
use crate::visit::{Hall, Visit};
use crate::{control, imap, managesieve, metrics, pop3, relay, smtp};

/// How often the certificate is looked after.
const REFRESH_EVERY: Duration = Duration::from_secs(6 * 3600);

/// How long mail that is to be indexed waits for more: a search reads what came meanwhile.
const INDEX_PAUSE: Duration = Duration::from_millis(500);

/// File descriptors kept from connections.
const STORE_DESCRIPTORS: usize = 500;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A door could not be opened.
    #[error("{:?} at {:?}: {cause}", door.protocol, door.endpoint)]
    Door {
        /// Which.
        door: Box<Door>,
        /// Why.
        cause: net::Error,
    },
    /// A door needs a certificate, and there is none.
    #[error("{:?} at {:?} needs a certificate", .0.protocol, .0.endpoint)]
    NoIdentity(Door),
    /// Letters cannot leave.
    #[error("preparing TLS with other hosts: {0}")]
    Relay(net::Error),
    /// Nobody looks at `.forward` files.
    #[error("looking at .forward files: {0}")]
    Forwards(std::io::Error),
    /// Nothing can be handed in at this machine.
    #[error("the local spool {}: {cause}", path.display())]
    Spool {
        /// Its folder.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
}

/// A server that runs.
#[derive(Debug)]
pub struct Running {
    addresses: Vec<(Protocol, Endpoint)>,
    gate: Arc<Gate>,
    stopper: Stopper,
    settings: Arc<Settings>,
    post: Post,
    store_died: watch::Receiver<bool>,
}

/// Opens all doors, and from then on lets people in.
pub async fn run(settings: Settings, post: Post) -> Result<Running, Error> {
    let settings = Arc::new(settings);
    if let Err(error) = post.read_dmarc_counts().await {
        tracing::error!(%error, "what was seen of domains' letters before is not told");
    }
    let stopper = Stopper::default();
    let forwards = look_at_forwards(&settings, &post, &stopper).await?;
    let listeners = open(&settings).await?;
    let gate = Gate::new(
        connections_max(settings.connections_max),
        settings.connections_per_network_max,
    );
    let (clock, began) = (Clock::start(), Clock::today());
    let gallery = Arc::new(Gallery::default());
    let auditor = Auditor::start(
        post.clone(),
        (settings.audit, settings.reclaim),
        stopper.listen(),
    );
    let fetcher = Fetcher::new(post.clone());
    let sieve_port = listeners.iter().find_map(sieve_port);
    let mut addresses = Vec::new();
    for (door, listener) in listeners {
        addresses.push((door.protocol, listener.endpoint().clone()));
        let terms = Terms {
            farewell: door.protocol.farewell(),
            ..Terms::new(clock)
        };
        let hall = Arc::new(Hall {
            settings: Arc::clone(&settings),
            door,
            post: post.clone(),
            terms,
            gallery: Arc::clone(&gallery),
            began,
            auditor: Some(auditor.clone()),
            fetcher: fetcher.clone(),
            forwards: forwards.clone(),
            sieve_port,
        });
        attend(listener, hall, Arc::clone(&gate), stopper.listen());
    }
    index(post.clone(), stopper.listen());
    fetcher.look_after(&settings.sources, &stopper.listen());
    relay(&post, &settings, clock, &stopper)?;
    if let Some(local) = settings.local.clone() {
        let started = pickup::start(post.clone(), local.clone(), stopper.listen());
        started.map_err(not_spooled(&local))?;
    }
    if let Some(identity) = settings.identity.clone() {
        tokio::spawn(refresh(identity, stopper.listen()));
    }
    Ok(Running {
        addresses,
        gate,
        stopper,
        store_died: post.stopped(),
        post,
        settings,
    })
}

/// Looks at users' `.forward` files, where they count, before anybody can write to them.
async fn look_at_forwards(
    settings: &Settings,
    post: &Post,
    stopper: &Stopper,
) -> Result<Option<ForwardDesk>, Error> {
    let Some(local) = &settings.local else {
        return Ok(None);
    };
    let started = forwards::start(post, local, stopper.listen()).await;
    started.map_err(Error::Forwards)
}

/// The port of a door behind which scripts are kept.
fn sieve_port((door, listener): &(Door, Listener)) -> Option<u16> {
    match listener.endpoint() {
        Endpoint::Tcp(address) if door.protocol == Protocol::ManageSieve => Some(address.port()),
        Endpoint::Tcp(_) | Endpoint::Unix(_) => None,
    }
}

/// Lets letters leave, where they do.
fn relay(post: &Post, settings: &Settings, clock: Clock, stopper: &Stopper) -> Result<(), Error> {
    match post.rules().elsewhere {
        Elsewhere::Relay => {
            let (post, settings) = (post.clone(), settings.relay.clone());
            relay::start(post, settings, clock, stopper.listen()).map_err(Error::Relay)
        }
        Elsewhere::Refuse | Elsewhere::Capture => Ok(()),
    }
}

/// Opens all doors; nobody attends them yet.
async fn open(settings: &Settings) -> Result<Vec<(Door, Listener)>, Error> {
    let mut listeners = Vec::new();
    if let Some(local) = &settings.local {
        // Before its doors open, which are in it.
        local.spool.make().map_err(not_spooled(local))?;
    }
    for door in &settings.doors {
        if door.encrypted == crate::Encrypted::Implicit && settings.identity.is_none() {
            return Err(Error::NoIdentity(door.clone()));
        }
        let listener = Listener::bind(&door.endpoint, door.ports_max).await;
        let listener = listener.map_err(|cause| Error::Door {
            door: Box::new(door.clone()),
            cause,
        })?;
        let listener = listener.behind(door.proxies.clone());
        if let Endpoint::Unix(path) = listener.endpoint() {
            open_to(path, door.protocol).map_err(|cause| Error::Door {
                door: Box::new(door.clone()),
                cause,
            })?;
        }
        listeners.push((door.clone(), listener));
    }
    Ok(listeners)
}

fn not_spooled(local: &LocalSettings) -> impl Fn(std::io::Error) -> Error + use<> {
    let path = local.spool.folder().to_owned();
    move |cause| Error::Spool {
        path: path.clone(),
        cause,
    }
}

/// Whoever reaches the control socket is the owner: a group is not. Everybody here may deliver.
fn open_to(path: &Path, protocol: Protocol) -> Result<(), net::Error> {
    let mode = match protocol {
        Protocol::Control => 0o600,
        Protocol::Local => 0o666,
        _ => return Ok(()),
    };
    let mode = Permissions::from_mode(mode);
    std::fs::set_permissions(path, mode).map_err(|cause| net::Error::File {
        path: path.to_owned(),
        cause,
    })
}

/// As many connections as are wanted and there are descriptors for; the store needs some as well,
/// and it must never be the one that goes short.
fn connections_max(wanted: usize) -> usize {
    let Some(Ok(descriptors)) = net::raise_descriptors_max().map(usize::try_from) else {
        return wanted;
    };
    let there_are = descriptors - STORE_DESCRIPTORS.min(descriptors / 2);
    if there_are < wanted {
        tracing::info!(
            there_are,
            wanted,
            "connections are limited by file descriptors"
        );
    }
    wanted.min(there_are)
}

fn attend(listener: Listener, hall: Arc<Hall>, gate: Arc<Gate>, stop: Stop) {
    use crate::Encrypted::Implicit;
    let protocol = hall.door.protocol;
    let refusal = match hall.door.encrypted {
        // Whoever expects TLS would not understand.
        Implicit => bytes::Bytes::new(),
        _ => protocol.refusal(),
    };
    let (smtp, imap) = (smtp::policy(&hall), imap::policy(&hall));
    let visit = move |socket, peer, stop| Visit::new(Arc::clone(&hall), socket, peer, stop);
    // One arm for each, so that each connection's task is as small as its own protocol.
    match protocol {
        Protocol::Smtp | Protocol::Submission | Protocol::Lmtp | Protocol::Local => {
            let converse =
                move |socket, peer, stop| smtp::converse(visit(socket, peer, stop), &smtp);
            tokio::spawn(net::serve(listener, gate, refusal, stop, converse));
        }
        Protocol::Imap => {
            let converse =
                move |socket, peer, stop| imap::converse(visit(socket, peer, stop), &imap);
            tokio::spawn(net::serve(listener, gate, refusal, stop, converse));
        }
        Protocol::Pop3 => {
            let converse = move |socket, peer, stop| pop3::converse(visit(socket, peer, stop));
            tokio::spawn(net::serve(listener, gate, refusal, stop, converse));
        }
        Protocol::ManageSieve => {
            let converse =
                move |socket, peer, stop| managesieve::converse(visit(socket, peer, stop));
            tokio::spawn(net::serve(listener, gate, refusal, stop, converse));
        }
        Protocol::Metrics => {
            let converse = move |socket, peer, stop| metrics::converse(visit(socket, peer, stop));
            tokio::spawn(net::serve(listener, gate, refusal, stop, converse));
        }
        Protocol::Control => {
            let converse = move |socket, peer, stop| control::converse(visit(socket, peer, stop));
            tokio::spawn(net::serve(listener, gate, refusal, stop, converse));
        }
    }
}

/// Looks after the certificate, so that a renewed one is shown without a restart.
async fn refresh(identity: Identity, mut stop: Stop) {
    loop {
        tokio::select! {
            biased;
            () = stop.asked() => return,
            () = tokio::time::sleep(REFRESH_EVERY) => {}
        }
        if let Err(error) = identity.refresh() {
            tracing::warn!(%error, "the certificate stays as it was");
        }
    }
}

/// Keeps the search index near the mail, on a thread of its own: what it computes is never in the
/// way of a connection, and the system lets all others go first.
fn index(post: Post, mut stop: Stop) {
    let runtime = Handle::current();
    let work = move || {
        net::let_others_go_first();
        runtime.block_on(async {
            tokio::select! {
                biased;
                () = stop.asked() => {}
                () = post.keep_index(|| tokio::time::sleep(INDEX_PAUSE)) => {}
            }
        });
    };
    if let Err(error) = thread::Builder::new().name("index".into()).spawn(work) {
        tracing::warn!(%error, "searches read every message");
    }
}

impl Running {
    /// Where the doors really are, in the order of the settings.
    #[must_use]
    pub fn addresses(&self) -> &[(Protocol, Endpoint)] {
        &self.addresses
    }

    /// Reads the certificate anew; on an error the old one stays.
    pub fn refresh_certificate(&self) -> Result<(), net::Error> {
        let identity = self.settings.identity.as_ref();
        identity.map_or(Ok(()), Identity::refresh)
    }

    /// How many connections there are.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.gate.inside()
    }

    /// Waits until the store has died in the middle of a commit: then the server has to be stopped,
    /// and its process has to end with an error and be started anew.
    pub async fn store_died(&mut self) {
        if self.store_died.wait_for(|died| *died).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Shuts the doors and lets connections come to an end, within the grace.
    pub async fn stop(self) {
        self.stopper.stop(self.settings.grace).await;
        // Nobody counts any more.
        if *self.store_died.borrow() {
            return;
        }
        if let Err(error) = self.post.keep_dmarc_counts().await {
            tracing::warn!(%error, "the last that was seen of domains' letters is not told");
        }
    }
}
