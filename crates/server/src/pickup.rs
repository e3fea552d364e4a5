//! Takes letters out of the local spool: what people and programs of this machine have handed in,
//! while the server ran or did not.
//!
//! Each is accepted exactly once. Its id is remembered in the step that accepts it; only then its
//! file goes, and when that is on the disk the id is forgotten. Whoever handed it in is its file's
//! owner, which only the system can say.
//!
//! Not here: where letters lie (`spool`), how they are written (`letter`), who may write in whose
//! name (`post`).
//!
//! RFC 5321 §6.1, RFC 6409 §6.1, RFC 5321 §4.5.4.1 (what cannot be accepted now is tried again).

use std::collections::{HashMap, HashSet};
use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv4Addr};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use mail::{
    Address, BodyType, Enhanced, ForwardPath, Host, Instant, LocalPart, Recipient, Refusal,
    ReversePath, TlsWish,
};
use net::Stop;
use post::{
    Account, Error, HandedId, HandedIn, Incoming, LocalUser, Origin, Outcome, Post, Protocol,
    Route, Sender,
};
use rustix::process::geteuid;
use tokio::net::UnixDatagram;
use tokio::runtime::Handle;

mod header;
mod letter;
mod message;
mod settings;
mod smtp;
mod spool;
mod users;

pub use letter::{LocalEnvelope, notify};
pub use settings::LocalSettings;
pub use smtp::hand_in_by_smtp;
pub use spool::{HouseFacts, LocalDraft, LocalSpool};
pub(crate) use users::UserNumbers;
pub use users::{SystemUser, system_user};

use message::Message;
use spool::Found;

/// How long the spool is not looked at where nobody says that something came.
const IDLE: Duration = Duration::from_secs(60);
/// How long a letter waits that cannot be accepted now, at first and at most.
const WAITS: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(1800));
/// After so long a letter that is being written is given up, seconds.
const DRAFT_SECONDS_MAX: i64 = 24 * 3600;
/// Octets of a header that is returned without what follows.
const RETURNED_OCTETS_MAX: usize = 64 * 1024;
/// Letters whose files go together.
const CLEARED_LETTERS: usize = 256;
/// Octets that are read at a time.
const READ_OCTETS: usize = 64 * 1024;

/// Names that mean whoever looks after this host, where nobody has them.
const CARETAKERS: &[&str] = &["root", "mailer-daemon"];

/// Why a letter stays where it is.
#[derive(Debug)]
enum Trouble {
    /// Another time it may be accepted.
    Later(String),
    /// It is no letter.
    Unfit(String),
}

/// A letter that waits for another time.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    due: Instant,
    wait: Duration,
}

#[derive(Debug)]
struct Pickup {
    post: Post,
    settings: LocalSettings,
    waiting: HashMap<HandedId, Waiting>,
    told: Option<HouseFacts>,
}

/// Takes letters until it is asked to stop, on a thread of its own: it reads files.
pub(crate) fn start(post: Post, settings: LocalSettings, stop: Stop) -> io::Result<()> {
    settings.spool.make()?;
    let socket = UnixDatagram::from_std(settings.spool.listen()?)?;
    let mut pickup = Pickup {
        post,
        settings,
        waiting: HashMap::new(),
        told: None,
    };
    // Before anybody is told that the server is ready.
    pickup.tell_house();
    let runtime = Handle::current();
    let work = move || runtime.block_on(Box::pin(run(pickup, socket, stop)));
    thread::Builder::new()
        .name("pickup".into())
        .spawn(work)
        .map(drop)
}

async fn run(mut pickup: Pickup, socket: UnixDatagram, mut stop: Stop) {
    if let Err(error) = pickup.forget_gone().await {
        tracing::error!(%error, "what was handed in cannot be read");
    }
    let mut word = [0];
    loop {
        let pause = Box::pin(pickup.turn(&stop)).await;
        tokio::select! {
            biased;
            () = stop.asked() => return,
            heard = socket.recv(&mut word) => if heard.is_err() { tokio::time::sleep(IDLE).await },
            () = tokio::time::sleep(pause) => {}
        }
        // One look is enough for all that was said meanwhile.
        while socket.try_recv(&mut word).is_ok() {}
    }
}

impl Pickup {
    /// Forgets letters that were accepted and are gone: a crash came in between.
    async fn forget_gone(&self) -> Outcome<()> {
        let mut after = None;
        loop {
            let ids = self.post.all_handed(after).await?;
            after = ids.last().copied();
            if after.is_none() {
                return Ok(());
            }
            let gone = ids.into_iter().filter(|id| !self.settings.spool.has(*id));
            let gone: Vec<HandedId> = gone.collect();
            self.post.forget_handed(&gone).await?;
        }
    }

    /// Looks at all that is there; tells how long there is nothing to do.
    async fn turn(&mut self, stop: &Stop) -> Duration {
        self.tell_house();
        let ids = match self.settings.spool.letters() {
            Ok(ids) => ids,
            Err(error) => {
                tracing::error!(%error, "the local spool cannot be read");
                return IDLE;
            }
        };
        let now = self.post.outside().instant();
        for some in ids.chunks(CLEARED_LETTERS) {
            let mut done = Vec::new();
            for id in some {
                let waiting = self.waiting.get(id);
                let waits = waiting.is_some_and(|waiting| waiting.due > now);
                if !waits && !stop.is_asked() && self.attend(*id).await {
                    done.push(*id);
                }
            }
            self.clear(&done).await;
        }
        let there: HashSet<HandedId> = ids.into_iter().collect();
        self.waiting.retain(|id, _| there.contains(id));
        let old = self.post.outside().now().seconds - DRAFT_SECONDS_MAX;
        if let Err(error) = self.settings.spool.sweep(old) {
            tracing::warn!(%error, "letters that nobody finished stay in the local spool");
        }
        let due = self.waiting.values().map(|waiting| waiting.due.since(now));
        due.min().map_or(IDLE, |wait| wait.clamp(WAITS.0, IDLE))
    }

    /// Takes one letter; true if it is done with.
    async fn attend(&mut self, id: HandedId) -> bool {
        match self.take(id).await {
            Ok(left) if left.is_empty() => return true,
            Ok(_) => self.wait(id, "not everybody can have it now"),
            Err(Trouble::Later(why)) => self.wait(id, &why),
            Err(Trouble::Unfit(why)) => {
                tracing::error!(
                    why,
                    "a file in the local spool is no letter: it is put aside"
                );
                if let Err(error) = self.settings.spool.set_aside(id) {
                    self.wait(id, &error.to_string());
                }
            }
        }
        false
    }

    fn wait(&mut self, id: HandedId, why: &str) {
        let before = self.waiting.get(&id).map(|waiting| waiting.wait);
        let wait = before.map_or(WAITS.0, |wait| wait.saturating_mul(2).min(WAITS.1));
        let due = self.post.outside().instant().after(wait);
        tracing::warn!(
            why,
            seconds = wait.as_secs(),
            "a letter waits in the local spool"
        );
        self.waiting.insert(id, Waiting { due, wait });
    }

    /// Removes letters that were accepted, and then forgets them.
    async fn clear(&self, done: &[HandedId]) {
        if done.is_empty() {
            return;
        }
        match self.settings.spool.remove(done) {
            Ok(()) => {
                if let Err(error) = self.post.forget_handed(done).await {
                    tracing::error!(%error, "letters that are gone stay remembered");
                }
            }
            // They are accepted, and will not be again.
            Err(error) => tracing::error!(%error, "letters stay in the local spool"),
        }
    }

    /// Tells programs of this machine what they have to know, where that has changed.
    fn tell_house(&mut self) {
        let rules = self.post.rules();
        let facts = HouseFacts {
            host: rules.host.to_ascii(),
            domain: self.settings.domain_of(&self.post).to_ascii(),
            octets_max: rules.message_octets_max,
        };
        if self.told.as_ref() == Some(&facts) {
            return;
        }
        match self.settings.spool.tell_house(&facts) {
            Ok(()) => self.told = Some(facts),
            Err(error) => tracing::warn!(%error, "programs of this machine are not told of us"),
        }
    }

    /// Accepts a letter; tells for whom it is not accepted yet.
    async fn take(&self, id: HandedId) -> Result<Vec<u32>, Trouble> {
        let later = |error: Error| Trouble::Later(error.refusal().text);
        let places = self.post.handed(id).await.map_err(later)?;
        // The crash came before its file was gone.
        if places.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Vec::new());
        }
        let broken = |error: io::Error| Trouble::Later(error.to_string());
        let found = self.settings.spool.open(id).map_err(broken)?;
        let found = found.map_err(|why| Trouble::Unfit(why.to_owned()))?;
        let now = self.post.outside().now().seconds;
        let expire = self.post.rules().queue.expire.as_secs();
        let age = u64::try_from(now.saturating_sub(found.arrived)).unwrap_or_default();
        let letter = self.read(found).await?;
        let count = u32::try_from(letter.recipients.len()).unwrap_or(u32::MAX);
        let attempt = Attempt {
            id,
            places: places.unwrap_or_else(|| (0..count).collect()),
            expired: age > expire,
        };
        self.accept(letter, &attempt).await
    }

    /// Reads a letter's envelope and header, and finds out whose it is.
    async fn read(&self, found: Found) -> Result<Letter, Trouble> {
        let SystemUser {
            name: user,
            full_name,
        } = system_user(found.user);
        let own = found.user == geteuid().as_raw();
        let message = Message::read(found.file, found.octets)?;
        let envelope = message.envelope;
        let domain = self.settings.domain_of(&self.post);
        let unknown = || Trouble::Unfit(format!("{user} is no name for an address"));
        let local = LocalPart::new(&user).ok_or_else(unknown)?;
        let address = Address {
            local,
            host: domain.clone(),
        };
        let is_trusted = own || self.settings.trusted_users.contains(&user);
        let reverse_path = match envelope.from.as_deref() {
            Some("") => ReversePath::Null,
            // Whoever hands it in hears of it where the sender has no address that is one.
            from => ReversePath::Address(
                from.and_then(|from| qualified(from, &domain))
                    .unwrap_or_else(|| address.clone()),
            ),
        };
        let named = envelope.name.as_deref().unwrap_or(&full_name);
        let author = reverse_path.address().unwrap_or(&address).clone();
        let header = match envelope.gateway || envelope.delivery {
            true => message.header,
            false => header::complete(&message.header, &domain, (named, &author)),
        };
        let recipients: Vec<Given> = envelope
            .to
            .iter()
            .map(|to| self.given(to, &domain, &envelope))
            .collect();
        if recipients.is_empty() {
            return Err(Trouble::Unfit("it is for nobody".to_owned()));
        }
        let utf8 = |given: &Given| match &given.recipient.forward_path {
            ForwardPath::Address(address) => address.needs_utf8(),
            ForwardPath::Postmaster => false,
        };
        let smtputf8 = author.needs_utf8() || recipients.iter().any(utf8) || !header.is_ascii();
        let user = LocalUser {
            name: user,
            address,
            is_trusted,
        };
        let user = (!envelope.delivery).then_some(user);
        let origin = self.origin(&domain, user).await;
        Ok(Letter {
            sender: Sender {
                reverse_path,
                size: Some(found.octets),
                body: BodyType::EightBitMime,
                smtputf8,
                ret: envelope.returned(),
                envid: envelope.envid.clone(),
                tls: TlsWish::Usual,
            },
            origin: origin.map_err(|error| Trouble::Later(error.refusal().text))?,
            recipients,
            header,
            body: message.body,
            rest: message.rest,
        })
    }

    /// Where a letter comes from: a user, or another mailer of this machine.
    async fn origin(&self, domain: &Host, user: Option<LocalUser>) -> Outcome<Origin> {
        let account = match &user {
            Some(user) => self.account(&user.address).await?,
            None => None,
        };
        Ok(Origin {
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            helo: domain.to_ascii(),
            protocol: match &user {
                Some(_) => Protocol::Lmtp,
                None => Protocol::Deliver,
            },
            tls: None,
            account,
            user,
        })
    }

    /// The account of an address, if it has one and no other.
    async fn account(&self, address: &Address) -> Outcome<Option<Account>> {
        let path = ForwardPath::Address(address.clone());
        let Route::Local(accounts) = self.post.route_to_accounts(&path) else {
            return Ok(None);
        };
        match accounts.as_slice() {
            [only] => self.post.account(*only).await.map(Some),
            _ => Ok(None),
        }
    }

    /// A recipient as it was given.
    fn given(&self, text: &str, domain: &Host, envelope: &LocalEnvelope) -> Given {
        let address = qualified(text, domain);
        let is_address = address.is_some();
        // What is no address has to be called something in a report.
        let quoted = || {
            let local = LocalPart::new(text)?;
            let host = domain.clone();
            Some(Address { local, host })
        };
        let path = address.or_else(quoted).map(ForwardPath::Address);
        let path = path.unwrap_or(ForwardPath::Postmaster);
        let caretaker = !text.contains('@')
            && CARETAKERS
                .iter()
                .any(|name| text.eq_ignore_ascii_case(name))
            && matches!(self.post.route_to_accounts(&path), Route::Nowhere(_));
        let forward_path = if caretaker {
            ForwardPath::Postmaster
        } else {
            path
        };
        Given {
            recipient: Recipient {
                forward_path,
                notify: envelope.reported(),
                orcpt: None,
            },
            is_address,
        }
    }

    async fn accept(&self, letter: Letter, attempt: &Attempt) -> Result<Vec<u32>, Trouble> {
        let sender = letter.sender.clone();
        let beginning = letter.beginning();
        let chosen = |place: &u32| {
            let place = usize::try_from(*place).ok()?;
            letter.recipients.get(place).cloned()
        };
        let chosen: Vec<Given> = attempt.places.iter().filter_map(chosen).collect();
        let origin = letter.origin.clone();
        let refusal = match self.hand_over(letter, &chosen, attempt, &beginning).await {
            Ok(left) => return Ok(left),
            Err(error) => error.refusal(),
        };
        let is_temporary = refusal.code.value() < 500;
        if is_temporary && !attempt.expired {
            return Err(Trouble::Later(refusal.text));
        }
        let failed = chosen
            .into_iter()
            .map(|given| (given.recipient, refusal.clone()));
        let handed = HandedIn {
            id: attempt.id,
            left: Vec::new(),
            failed: failed.collect(),
            returned: beginning.0,
            is_whole: beginning.1,
        };
        let returned = self.give_back(&origin, sender, handed).await;
        returned.map_err(|error| Trouble::Later(error.refusal().text))?;
        Ok(Vec::new())
    }

    /// Gives a letter to the post; tells for whom it is not accepted yet.
    async fn hand_over(
        &self,
        letter: Letter,
        chosen: &[Given],
        attempt: &Attempt,
        beginning: &(Bytes, bool),
    ) -> Outcome<Vec<u32>> {
        let user = letter.origin.user.as_ref().map(|user| user.name.clone());
        let mut incoming = self.post.begin(letter.origin, letter.sender)?;
        let (mut left, mut failed, mut last) = (Vec::new(), Vec::new(), None);
        for (place, given) in attempt.places.iter().zip(chosen) {
            let told = match given.is_address {
                true => incoming.recipient(given.recipient.clone()).await,
                false => {
                    failed.push((given.recipient.clone(), no_address()));
                    continue;
                }
            };
            match told {
                Ok(()) => {}
                Err(fault @ Error::Fault(_)) => return Err(fault),
                Err(error) if error.refusal().code.value() < 500 && !attempt.expired => {
                    left.push(*place);
                    last = Some(error);
                }
                Err(error) => failed.push((given.recipient.clone(), error.refusal())),
            }
        }
        if let Some(error) = last.filter(|_| left.len() == chosen.len()) {
            return Err(error);
        }
        if left.len() + failed.len() < chosen.len() {
            incoming.chunk(letter.header.into()).await?;
            incoming.chunk(letter.body).await?;
            stream(&mut incoming, letter.rest).await?;
        }
        let handed = HandedIn {
            id: attempt.id,
            left: left.clone(),
            failed,
            returned: beginning.0.clone(),
            is_whole: beginning.1,
        };
        let receipt = incoming.commit_handed(handed).await?;
        tracing::info!(journey = %receipt.journey, user, "picked up");
        Ok(left)
    }

    /// Tells the sender that nobody gets it, or whoever handed it in, where that may not be the
    /// sender.
    async fn give_back(&self, origin: &Origin, sender: Sender, handed: HandedIn) -> Outcome<()> {
        let sender = Sender {
            size: None,
            ..sender
        };
        let begun = self.post.begin(origin.clone(), sender.clone());
        let own = origin.user.as_ref().map(|user| user.address.clone());
        let incoming = match (begun, own) {
            (Ok(incoming), _) => incoming,
            (Err(_), Some(own)) => {
                let reverse_path = ReversePath::Address(own);
                let sender = Sender {
                    reverse_path,
                    ..sender
                };
                self.post.begin(origin.clone(), sender)?
            }
            (Err(error), None) => return Err(error),
        };
        incoming.commit_handed(handed).await.map(drop)
    }
}

/// What is to be done about a letter.
#[derive(Debug)]
struct Attempt {
    id: HandedId,
    /// Which of its recipients it is not accepted for yet.
    places: Vec<u32>,
    /// True if it is not tried again.
    expired: bool,
}

/// A recipient as it was given.
#[derive(Clone, Debug)]
struct Given {
    recipient: Recipient,
    is_address: bool,
}

/// A letter on its way from its file.
#[derive(Debug)]
struct Letter {
    sender: Sender,
    origin: Origin,
    recipients: Vec<Given>,
    header: Vec<u8>,
    /// What follows, as far as it was read.
    body: Bytes,
    rest: io::BufReader<std::fs::File>,
}

impl Letter {
    /// What a report returns of it, and whether that is all.
    fn beginning(&self) -> (Bytes, bool) {
        let is_whole = !self.body.is_empty();
        let header = match is_whole {
            true => self.header.as_slice(),
            false => self
                .header
                .get(..RETURNED_OCTETS_MAX)
                .unwrap_or(&self.header),
        };
        ([header, &self.body].concat().into(), is_whole)
    }
}

async fn stream(incoming: &mut Incoming, mut rest: io::BufReader<std::fs::File>) -> Outcome<()> {
    let mut buffer = vec![0; READ_OCTETS];
    loop {
        let read = rest.read(&mut buffer).map_err(|error| {
            let enhanced = Enhanced::new(4, 3, 0);
            let refusal = Refusal::new(451, enhanced, "The letter cannot be read");
            Error::Refused(post::Why::Unavailable, refusal.because(error.to_string()))
        })?;
        if read == 0 {
            return Ok(());
        }
        let piece = Bytes::copy_from_slice(buffer.get(..read).unwrap_or_default());
        incoming.chunk(piece).await?;
    }
}

/// An address, its domain added if it has none.
// RFC 6409 §8.4
fn qualified(text: &str, domain: &Host) -> Option<Address> {
    if text.contains('@') {
        return Address::parse(text).ok();
    }
    let local = LocalPart::new(text)?;
    let host = domain.clone();
    Some(Address { local, host })
}

// RFC 3463 §3.2
fn no_address() -> Refusal {
    Refusal::new(553, Enhanced::new(5, 1, 3), "This is no address")
}
