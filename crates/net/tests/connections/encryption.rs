//! TLS with real certificates on both ends.

use std::sync::Arc;

use mail::Timestamp;
use net::{
    Authority, Calling, ClientConfig, Clock, Encryption, End, Error, House, Identity, ServerName,
    Socket, Stream, roots_from_pem,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wire::{Security, Session, Step, Upgrade};

use crate::script::{hear_line, pipe, serve, terms};

struct Certificates {
    directory: TempDir,
    identity: Identity,
    trust: Arc<ClientConfig>,
}

fn certificates(names: &[&str]) -> Certificates {
    let directory = tempfile::tempdir().unwrap();
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    let authority = Authority::open(directory.path(), Clock::today()).unwrap();
    let made = authority.certify(&names, Clock::today()).unwrap();
    Certificates {
        identity: Identity::from_pem_files(&made.chain, &made.key).unwrap(),
        trust: roots_from_pem(&authority.roots()).unwrap(),
        directory,
    }
}

fn name(name: &str) -> ServerName {
    ServerName::try_from(name.to_owned()).unwrap()
}

#[tokio::test]
async fn a_conversation_is_upgraded_in_place() {
    let certificates = certificates(&["mail.example"]);
    let (stream, mut peer) = pipe(1 << 16, Encryption::Server(certificates.identity));
    let driven = tokio::spawn(serve(stream));
    // What stands behind the command was not said under TLS: it must not count (RFC 3207 §4.2).
    peer.write_all(b"echo clear\r\ntls\r\necho injected\r\n")
        .await
        .unwrap();
    assert_eq!(hear_line(&mut peer).await, "clear");
    assert_eq!(hear_line(&mut peer).await, "go ahead");
    let client = Encryption::Client(certificates.trust, name("mail.example"));
    let mut peer = Stream::plain(Socket::Memory(peer), client);
    peer.encrypt(terms().handshake_timeout).await.unwrap();
    let security = peer.security().unwrap();
    assert_eq!(security.version, "TLS1.3");
    assert!(security.cipher.starts_with("TLS_"), "{}", security.cipher);
    let Some(wire::ChannelBinding::TlsExporter(binding)) = &security.binding else {
        panic!("no channel binding");
    };
    let expected = format!("{} {} {binding:02x?}", security.version, security.cipher);
    peer.write_all(b"echo hidden\r\nsplice 100000\r\nquit\r\n")
        .await
        .unwrap();
    assert_eq!(hear_line(&mut peer).await, expected);
    assert_eq!(hear_line(&mut peer).await, "hidden");
    let mut rest = String::new();
    peer.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest.len(), 100_000 + "bye\r\n".len());
    drop(peer);
    assert_eq!(driven.await.unwrap().unwrap(), End::Closed);
}

#[tokio::test]
async fn a_name_that_is_not_in_the_certificate_is_not_trusted() {
    let certificates = certificates(&["mail.example"]);
    for (wanted, trusted) in [
        ("mail.example", true),
        ("127.0.0.1", true),
        ("b.example", false),
    ] {
        let shown = shows(&certificates.identity, &certificates, wanted).await;
        assert_eq!(shown, trusted, "{wanted}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_go_on_is_left() {
    let certificates = certificates(&[]);
    let (stream, mut peer) = pipe(1 << 16, Encryption::Server(certificates.identity));
    let driven = tokio::spawn(serve(stream));
    peer.write_all(b"tls\r\n").await.unwrap();
    peer.write_all(b"\x16\x03\x01").await.unwrap();
    assert!(matches!(driven.await.unwrap(), Err(Error::SlowHandshake)));
}

#[tokio::test]
async fn a_handshake_of_nonsense_ends_the_connection() {
    let certificates = certificates(&[]);
    let (stream, mut peer) = pipe(1 << 16, Encryption::Server(certificates.identity));
    let driven = tokio::spawn(serve(stream));
    peer.write_all(b"tls\r\n").await.unwrap();
    assert_eq!(hear_line(&mut peer).await, "go ahead");
    peer.write_all(b"echo this is not TLS\r\n").await.unwrap();
    assert!(matches!(driven.await.unwrap(), Err(Error::Socket { .. })));
}

/// A client that asks for TLS, then asks for one thing, and keeps what it hears.
#[derive(Default)]
struct Caller {
    said: usize,
    heard: Vec<u8>,
    secured: Option<Security>,
    to_say: bool,
}

impl Session for Caller {
    type Ask = ();
    type Answer = ();

    fn receive(&mut self, bytes: &[u8]) {
        self.heard.extend(bytes);
        self.to_say = self.said == 1 && self.heard.ends_with(b"go ahead\r\n");
        if bytes.is_empty() {
            self.said = 9;
        }
    }

    fn answer(&mut self, (): ()) {}

    fn elapse(&mut self, _: mail::Instant) {
        self.to_say |= self.said == 0;
    }

    fn deadline(&self) -> Option<mail::Instant> {
        None
    }

    fn secured(&mut self, security: Security) {
        self.secured = Some(security);
        self.to_say = true;
    }

    fn step(&mut self) -> Step<()> {
        if self.said == 9 {
            return Step::Close;
        }
        if !std::mem::take(&mut self.to_say) {
            return Step::Read;
        }
        self.said += 1;
        match self.said {
            1 => Step::Write("tls\r\n".into()),
            2 => Step::Upgrade(Upgrade::Tls),
            _ => Step::Write("echo hidden\r\nquit\r\n".into()),
        }
    }
}

struct Nobody;

impl House<Caller> for Nobody {
    async fn ask(&mut self, (): ()) {}
}

#[tokio::test]
async fn the_same_driver_calls() {
    let certificates = certificates(&["mail.example"]);
    let (stream, peer) = pipe(1 << 16, Encryption::Server(certificates.identity));
    let driven = tokio::spawn(serve(stream));
    let mut caller = Caller::default();
    let calling = Calling::StartTls(certificates.trust, name("mail.example"));
    let end = net::call(
        Socket::Memory(peer),
        calling,
        &mut caller,
        &mut Nobody,
        &terms(),
    )
    .await;
    assert_eq!(end.unwrap(), End::Closed);
    assert_eq!(driven.await.unwrap().unwrap(), End::Closed);
    assert!(caller.secured.is_some());
    let heard = String::from_utf8(caller.heard).unwrap();
    assert!(heard.ends_with("\r\nhidden\r\nbye\r\n"), "{heard}");
}

#[test]
fn an_authority_keeps_what_lasts_and_renews_what_does_not() {
    const DAY: i64 = 86_400;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tls");
    let names = ["mail.example".to_owned()];
    let certify = |names: &[String], day: i64| {
        let today = Timestamp::utc(Clock::today().seconds + day * DAY);
        let authority = Authority::open(&path, today).unwrap();
        let roots = std::fs::read(authority.roots()).unwrap();
        (authority.certify(names, today).unwrap().renewed, roots)
    };
    let (renewed, roots) = certify(&names, 0);
    assert!(renewed);
    for (day, names, renewed) in [
        (1, &names[..], false),
        (360, &names, false),
        (368, &names, true),
        (369, &[], true),
        (370, &[], false),
    ] {
        assert_eq!(certify(names, day), (renewed, roots.clone()), "day {day}");
    }
    let (renewed, new_roots) = certify(&names, 3300);
    assert!(renewed && new_roots != roots);
    assert_eq!(certify(&names, 3301), (false, new_roots));
}

#[test]
fn private_keys_are_for_the_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tls");
    let authority = Authority::open(&path, Clock::today()).unwrap();
    let made = authority.certify(&[], Clock::today()).unwrap();
    for (file, mode) in [
        (&path, 0o700),
        (&path.join("authority.key"), 0o600),
        (&made.key, 0o600),
    ] {
        let found = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{}", file.display());
    }
}

#[tokio::test]
async fn a_changed_certificate_is_shown_to_the_next_peer() {
    let (old, new) = (
        certificates(&["old.example"]),
        certificates(&["new.example"]),
    );
    let directory = tempfile::tempdir().unwrap();
    let (chain, key) = (directory.path().join("chain"), directory.path().join("key"));
    let put = |from: &Certificates| {
        std::fs::copy(from.directory.path().join("server.pem"), &chain).unwrap();
        std::fs::copy(from.directory.path().join("server.key"), &key).unwrap();
    };
    put(&old);
    let identity = Identity::from_pem_files(&chain, &key).unwrap();
    assert!(shows(&identity, &old, "old.example").await);
    put(&new);
    assert!(!shows(&identity, &new, "new.example").await);
    identity.refresh().unwrap();
    assert!(shows(&identity, &new, "new.example").await);
    std::fs::write(&key, "not a key").unwrap();
    assert!(identity.refresh().is_err());
    assert!(shows(&identity, &new, "new.example").await);
}

async fn shows(identity: &Identity, trusted: &Certificates, wanted: &str) -> bool {
    let limit = terms().handshake_timeout;
    let (mut ours, theirs) = pipe(1 << 16, Encryption::Server(identity.clone()));
    let served = tokio::spawn(async move { ours.encrypt(limit).await });
    let client = Encryption::Client(trusted.trust.clone(), name(wanted));
    let mut peer = Stream::plain(Socket::Memory(theirs), client);
    let shown = peer.encrypt(limit).await.is_ok();
    assert_eq!(served.await.unwrap().is_ok(), shown);
    shown
}
