//! What is known of a peer, and the answers that are the same in every protocol.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use mail::{BlobRange, Enhanced, ModSeq, Refusal};
use net::{Fault, Onlooker, Peer};
use post::{
    Account, Client, Introspected, KeySet, Outcome, Post, TokenProof, Watch, Why, is_signed_token,
};
use wire::sasl::{Question, ScramHash, ScramKeys, Secret, TokenError, TokenStatus, Verdict};

use crate::gallery::Seat;
use crate::introspection::Introspection;
use crate::key_file::KeyFile;
use crate::settings::{Protocol, Settings};

/// A peer, and who it is logged in as.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) post: Post,
    pub(crate) peer: Peer,
    token_keys: Option<Arc<KeyFile>>,
    introspection: Option<Arc<Introspection>>,
    room: Option<Room>,
    /// The other account whose mailbox is open.
    visited: Option<Room>,
    /// Other accounts that are watched as well.
    neighbours: Vec<Room>,
    /// Where others may see it.
    seat: Option<Box<Seat>>,
    /// What it uses, as operations are listed.
    client: Client,
}

/// What a token is judged by.
#[derive(Debug)]
enum Evidence {
    Keys(Arc<KeySet>),
    Said(Arc<Introspected>),
}

#[derive(Debug)]
struct Room {
    account: Account,
    ledger: Watch<ModSeq>,
}

impl Guest {
    pub(crate) fn new(post: Post, peer: Peer, protocol: Protocol) -> Self {
        let client = Client {
            protocol: protocol.name().to_owned(),
            address: peer.address.map(|address| address.ip().to_canonical()),
            name: String::new(),
        };
        Self {
            client,
            post,
            peer,
            token_keys: None,
            introspection: None,
            room: None,
            visited: None,
            neighbours: Vec::new(),
            seat: None,
        }
    }

    /// Takes a seat, where others may see it.
    pub(crate) fn seated(mut self, seat: Seat) -> Self {
        self.seat = Some(Box::new(seat));
        self
    }

    /// Hears what its program calls itself.
    pub(crate) fn named(&mut self, name: &str) {
        self.client = std::mem::take(&mut self.client).named(name);
        if let Some(room) = &mut self.room {
            room.account.used_by(self.client.clone());
        }
    }

    /// Whoever looks on.
    pub(crate) fn onlooker(&mut self) -> Option<&mut dyn Onlooker> {
        self.seat.as_mut()?.onlooker()
    }

    /// Hears where its session rests.
    pub(crate) fn rests(&mut self, phase: &'static str, encrypted: bool) {
        if let Some(seat) = &mut self.seat {
            seat.rests(phase, encrypted);
        }
    }

    /// The same, and access tokens let it in that keys or their issuer speak for.
    pub(crate) fn with_judges(self, settings: &Settings) -> Self {
        Self {
            token_keys: settings.token_keys.clone(),
            introspection: settings.introspection.clone(),
            ..self
        }
    }

    /// The account it is logged in to.
    pub(crate) fn account(&self) -> Option<&Account> {
        self.room.as_ref().map(|room| &room.account)
    }

    /// True once the account it is logged in to has another password, or is gone.
    pub(crate) fn is_dismissed(&self) -> bool {
        self.account().is_some_and(|account| !account.is_welcome())
    }

    /// Nobody is logged in any more.
    pub(crate) fn leave(&mut self) {
        self.room = None;
        self.visited = None;
        self.neighbours.clear();
        if let Some(seat) = &mut self.seat {
            seat.belongs_to(None);
        }
    }

    /// From here on news is of that account; of its own again, if it is the guest's.
    pub(crate) fn watch(&mut self, account: Account) {
        self.visited = account.visited().map(|_| Room::of(account));
    }

    /// From here on the guest is woken by what happens in these accounts as well, and in no others.
    pub(crate) fn watch_also<'a>(&mut self, accounts: impl Iterator<Item = &'a Account>) {
        let mut before = std::mem::take(&mut self.neighbours);
        let room = |account: &Account| {
            let known = before
                .iter()
                .position(|room| room.account.id() == account.id());
            match known {
                // What it has not been told yet wakes it still.
                Some(at) => before.swap_remove(at),
                None => Room::of(account.clone()),
            }
        };
        self.neighbours = accounts.map(room).collect();
    }

    /// Its network address; a peer inside this machine has the machine's.
    pub(crate) fn ip(&self) -> IpAddr {
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        self.peer
            .address
            .map_or(local, |address| address.ip().to_canonical())
    }

    /// Answers a question of a SASL exchange; `Accepted` has logged the guest in.
    pub(crate) async fn verdict(&mut self, question: Question) -> Verdict {
        let peer = self.ip();
        let account = match question {
            Question::Password {
                user,
                authorization,
                password,
            } => {
                let authorization = authorization.as_deref();
                let check = self
                    .post
                    .login_password(peer, &user, authorization, &password.0);
                check.await
            }
            Question::Proved {
                user,
                authorization,
            } => {
                let authorization = authorization.as_deref();
                self.post.login_proved(peer, &user, authorization).await
            }
            Question::Certified {
                addresses,
                authorization,
            } => {
                let authorization = authorization.as_deref();
                self.post.login_certified(&addresses, authorization).await
            }
            Question::Token {
                token,
                authorization,
            } => return self.token(peer, token, authorization).await,
            Question::Keys { user, hash } => return self.keys(peer, &user, hash),
            Question::Failed { user } => Err(self.post.login_failed(peer, &user)),
        };
        self.log_in(account)
    }

    /// Logs in whoever brings an access token; who brings none of use is told where to get one.
    async fn token(
        &mut self,
        peer: IpAddr,
        token: Option<Secret>,
        authorization: Option<String>,
    ) -> Verdict {
        let token = token.as_ref().map(|token| token.0.as_str());
        let authorization = authorization.as_deref();
        // Before the issuer is asked, so that nobody has it asked without end.
        if let Err(error) = self.post.may_bring_token(peer, authorization) {
            return self.log_in(Err(error));
        }
        let Some(evidence) = self.evidence(token).await else {
            let text = "Tokens cannot be checked now";
            return Verdict::Refused(Refusal::new(454, Enhanced::new(4, 7, 0), text));
        };
        let proof = match &evidence {
            Evidence::Keys(keys) => TokenProof::Signed(keys),
            Evidence::Said(said) => TokenProof::Introspected(said),
        };
        let check = self.post.login_token(peer, proof, token, authorization);
        let account = check.await;
        let status = match account.as_ref().map_err(post::Error::why) {
            Err(Why::AuthenticationFailed) => Some(TokenStatus::InvalidToken),
            Err(Why::AuthorizationFailed) => Some(TokenStatus::InsufficientScope),
            Ok(_) | Err(_) => None,
        };
        match (self.log_in(account), status) {
            (Verdict::Refused(refusal), Some(status)) => {
                let rules = self.post.rules().tokens.as_ref();
                let error = TokenError {
                    status,
                    scope: rules.and_then(|rules| rules.scope.clone()),
                    openid_configuration: rules
                        .and_then(|rules| rules.openid_configuration.clone()),
                };
                Verdict::TokenRefused(error, refusal)
            }
            (verdict, _) => verdict,
        }
    }

    /// What a token is to be judged by: keys where there are some and it is signed, else what its
    /// issuer says of it; nothing where that cannot be had now.
    async fn evidence(&self, token: Option<&str>) -> Option<Evidence> {
        let Some(token) = token else {
            // Whoever asks what is wanted is refused in any case.
            return Some(Evidence::Said(Arc::default()));
        };
        if let Some(issuer) = &self.introspection
            && (self.token_keys.is_none() || !is_signed_token(token))
        {
            let said = issuer.ask(token).await;
            let warned = said
                .inspect_err(|error| tracing::warn!(%error, "the issuer of tokens was not heard"));
            return warned.ok().map(Evidence::Said);
        }
        let file = self.token_keys.clone()?;
        let read = tokio::task::spawn_blocking(move || file.keys()).await;
        read.ok().map(Evidence::Keys)
    }

    fn keys(&self, peer: IpAddr, user: &str, hash: ScramHash) -> Verdict {
        let hash = match hash {
            ScramHash::Sha1 => post::ScramHash::Sha1,
            ScramHash::Sha256 => post::ScramHash::Sha256,
        };
        match self.post.login_keys(peer, user, hash) {
            Ok(keys) => Verdict::Keys(ScramKeys {
                salt: keys.salt,
                iterations: keys.iterations,
                stored_key: keys.stored_key,
                server_key: keys.server_key,
                nonce: keys.nonce,
            }),
            Err(error) => Verdict::Refused(error.refusal()),
        }
    }

    fn log_in(&mut self, account: Outcome<Account>) -> Verdict {
        match account {
            Ok(mut account) => {
                account.used_by(self.client.clone());
                let conn = self.peer.conn;
                tracing::info!(%conn, account = %account.address(), "logged in");
                if let Some(seat) = &mut self.seat {
                    seat.belongs_to(Some(account.address()));
                }
                self.room = Some(Room::of(account));
                Verdict::Accepted
            }
            Err(error) => {
                let (conn, refusal) = (self.peer.conn, error.refusal());
                let cause = Some(&refusal.cause).filter(|cause| !cause.is_empty());
                tracing::info!(%conn, peer = %self.ip(), %error, cause, "not logged in");
                Verdict::Refused(refusal)
            }
        }
    }

    /// Reads a range of a stored message.
    pub(crate) async fn read(&self, range: BlobRange) -> Result<Bytes, Fault> {
        self.post.read(range).await.map_err(Fault::new)
    }

    /// Waits until the ledger of the account that is watched moves. What happens to the guest's own
    /// meanwhile, or to its neighbours', only wakes the guest: it may be dismissed, or want news.
    pub(crate) async fn hint(&mut self) -> ModSeq {
        let neighbours = any_moved(&mut self.neighbours);
        let Some(visited) = &mut self.visited else {
            return tokio::select! {
                biased;
                modseq = moved(self.room.as_mut()) => modseq,
                () = neighbours => ModSeq::default(),
            };
        };
        tokio::select! {
            biased;
            modseq = moved(Some(visited)) => modseq,
            _ = moved(self.room.as_mut()) => ModSeq::default(),
            () = neighbours => ModSeq::default(),
        }
    }

    /// News of the ledger that is there already.
    pub(crate) fn pending_hint(&mut self) -> Option<ModSeq> {
        let own = self.room.as_mut().and_then(Room::news);
        let nearby = self.neighbours.iter_mut().filter_map(Room::news).count();
        let nearby = (nearby > 0).then(ModSeq::default);
        match &mut self.visited {
            None => own.or(nearby),
            Some(visited) => {
                let woken = own.map(|_| ModSeq::default()).or(nearby);
                visited.news().or(woken)
            }
        }
    }
}

impl Room {
    fn of(account: Account) -> Self {
        Self {
            ledger: account.modseq_watch(),
            account,
        }
    }

    fn news(&mut self) -> Option<ModSeq> {
        let moved = self.ledger.has_moved();
        moved.then(|| self.ledger.take())
    }
}

/// Waits until the ledger of any of these moves.
async fn any_moved(rooms: &mut [Room]) {
    let moves = rooms.iter_mut().map(|room| Box::pin(moved(Some(room))));
    let mut moves: Vec<_> = moves.collect();
    std::future::poll_fn(|context| {
        let moved = moves
            .iter_mut()
            .any(|one| one.as_mut().poll(context).is_ready());
        if moved {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// Waits until an account's ledger moves.
async fn moved(room: Option<&mut Room>) -> ModSeq {
    let Some(room) = room else {
        return std::future::pending().await;
    };
    room.ledger.moved().await;
    room.ledger.take()
}
