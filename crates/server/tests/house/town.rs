//! A server with two inhabitants on free ports of this machine, and somebody to talk to it.

use std::sync::Arc;
use std::time::Duration;

use ::mail::{Address, Host};
use net::{
    ClientConfig, Encryption, Endpoint, Identity, ServerName, Socket, Stream, connect,
    roots_from_pem,
};
use post::{Post, Rules};
use server::{Door, Encrypted, Protocol, Running, Settings, World};
use store::Store;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub(crate) const PASSWORD: &str = "correct horse";
/// How long a test waits for what should come at once.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Town {
    pub(crate) running: Running,
    trust: Arc<ClientConfig>,
    _directory: TempDir,
}

/// A conversation in lines.
pub(crate) struct Talk(Stream);

impl Town {
    /// `alice` and `bob` at `example.org`, all doors open.
    pub(crate) async fn found() -> Self {
        Self::found_upon(Arc::new(store::Memory::new())).await
    }

    /// The same, its mail kept there.
    pub(crate) async fn found_upon(store: Arc<dyn Store>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = directory.path().join("tls");
        let names = ["mail.example.org".to_owned()];
        let identity = Identity::from_authority(&authority, &names).unwrap();
        let trust = roots_from_pem(&authority.join("authority.pem")).unwrap();
        let host = Host::parse("mail.example.org").unwrap();
        let rules = Rules {
            argon2_kibibytes: 64,
            argon2_passes: 1,
            ..Rules::new(host.clone())
        };
        let world = Arc::new(World::open().unwrap());
        let post = Post::open(store, world, rules).await.unwrap();
        post.add_domain(&Host::parse("example.org").unwrap())
            .await
            .unwrap();
        for name in ["alice", "bob"] {
            let address = Address::parse(&format!("{name}@example.org")).unwrap();
            post.add_account(&address, PASSWORD).await.unwrap();
        }
        let mut settings = Settings::new(host);
        settings.identity = Some(identity);
        settings.doors = vec![
            door(Protocol::Smtp, Encrypted::StartTls),
            door(Protocol::Submission, Encrypted::Implicit),
            door(Protocol::Imap, Encrypted::Implicit),
            door(Protocol::Pop3, Encrypted::Implicit),
            Door {
                endpoint: Endpoint::Unix(directory.path().join("lmtp")),
                ..door(Protocol::Lmtp, Encrypted::Never)
            },
            Door {
                endpoint: Endpoint::Unix(directory.path().join("control")),
                ..door(Protocol::Control, Encrypted::Never)
            },
        ];
        Self {
            running: server::run(settings, post).await.unwrap(),
            trust,
            _directory: directory,
        }
    }

    /// A connection to a door, whom to trust there, and its name.
    pub(crate) async fn reach(
        &self,
        protocol: Protocol,
    ) -> (Socket, Arc<ClientConfig>, ServerName) {
        let mut addresses = self.running.addresses().iter();
        let (_, endpoint) = addresses.find(|(found, _)| *found == protocol).unwrap();
        let socket = connect(endpoint, PATIENCE).await.unwrap();
        let name = "mail.example.org".try_into().unwrap();
        (socket, self.trust.clone(), name)
    }

    /// Comes in by a door; where that is encrypted from the first octet, so is this.
    pub(crate) async fn visit(&self, protocol: Protocol) -> Talk {
        let (socket, trust, name) = self.reach(protocol).await;
        let mut talk = Talk(Stream::plain(socket, Encryption::Client(trust, name)));
        let encrypted = [Protocol::Submission, Protocol::Imap, Protocol::Pop3];
        if encrypted.contains(&protocol) {
            talk.encrypt().await;
        }
        talk
    }

    /// Logged in by POP3; returns what STAT says as well.
    pub(crate) async fn collect(&self, user: &str) -> (Talk, String) {
        let mut talk = self.visit(Protocol::Pop3).await;
        talk.hear("+OK").await;
        talk.tell(&format!("USER {user}@example.org\r\n"), "+OK")
            .await;
        talk.tell(&format!("PASS {PASSWORD}\r\n"), "+OK").await;
        let stat = talk.tell("STAT\r\n", "+OK ").await;
        (talk, stat)
    }
}

fn door(protocol: Protocol, encrypted: Encrypted) -> Door {
    Door {
        protocol,
        endpoint: Endpoint::Tcp("127.0.0.1:0".parse().unwrap()),
        ports_max: 0,
        encrypted,
        proxies: Vec::new(),
    }
}

impl Talk {
    pub(crate) async fn encrypt(&mut self) {
        self.0.encrypt(PATIENCE).await.unwrap();
    }

    /// Says something without waiting for an answer.
    pub(crate) async fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// Says something and hears on until a line begins like that; returns all lines.
    pub(crate) async fn tell(&mut self, text: &str, until: &str) -> String {
        self.say(text).await;
        self.hear(until).await
    }

    /// Hears on until a line begins like that; returns all lines.
    pub(crate) async fn hear(&mut self, until: &str) -> String {
        let mut heard = String::new();
        loop {
            let line = self.line().await;
            heard.push_str(&line);
            if line.starts_with(until) {
                return heard;
            }
            assert!(
                !line.is_empty(),
                "the end instead of {until}; before it: {heard}"
            );
        }
    }

    /// Hears a line.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            let octet = tokio::time::timeout(PATIENCE, self.0.read_u8()).await;
            let Ok(octet) = octet.unwrap_or_else(|_| {
                panic!("nothing more after {:?}", String::from_utf8_lossy(&line))
            }) else {
                break;
            };
            line.push(octet);
        }
        String::from_utf8(line).unwrap()
    }
}
