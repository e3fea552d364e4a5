//! What an idle connection costs: opens many from another process, prints what this one grew by.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement for people"
)]

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use mail::{Address, Host};
use net::{Encryption, Endpoint, Identity, Stream, connect, roots_from_pem};
use post::{Post, Rules};
use server::{Door, Encrypted, Protocol, Running, Settings, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const LIMIT: Duration = Duration::from_secs(30);

/// What a connection says before it falls silent, and how the last answer to each begins.
const SMTP: &[(&str, &str)] = &[("", "220 "), ("EHLO idle.example\r\n", "250 ")];
const POP3: &[(&str, &str)] = &[("", "+OK"), ("CAPA\r\n", ".")];
const IMAP: &[(&str, &str)] = &[
    ("", "* OK"),
    ("a login alice@example.org password\r\n", "a OK"),
    ("b select inbox\r\n", "b OK"),
    ("c idle\r\n", "+"),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["hold", count, address, roots, dialogue] => {
            runtime.block_on(hold(count, address, roots, dialogue));
        }
        [count, dialogue] => runtime.block_on(measure(count, dialogue)),
        [count] => ["smtp", "pop3", "imap"]
            .iter()
            .for_each(|it| apart(count, it)),
        _ => println!("idle COUNT"),
    }
}

/// Each in a process of its own: what one has freed the next would be given.
fn apart(count: &str, dialogue: &str) {
    let mut measuring = Command::new(std::env::current_exe().unwrap());
    measuring.args([count, dialogue]).status().unwrap();
}

async fn measure(count: &str, dialogue: &str) {
    let directory = tempfile::tempdir().unwrap();
    let running = open(directory.path()).await;
    let roots = directory.path().join("authority.pem");
    let (wanted, roots) = match dialogue {
        "smtp" => (Protocol::Smtp, "-"),
        "pop3" => (Protocol::Pop3, roots.to_str().unwrap()),
        _ => (Protocol::Imap, roots.to_str().unwrap()),
    };
    for (protocol, endpoint) in running.addresses() {
        let Endpoint::Tcp(address) = endpoint else {
            continue;
        };
        if *protocol != wanted {
            continue;
        }
        // Once with a few, so that what is paid only once is paid before.
        grown("20", &address.to_string(), roots, dialogue);
        let octets = grown(count, &address.to_string(), roots, dialogue);
        let each = octets / count.parse::<u64>().unwrap();
        let kind = if roots == "-" { "plain" } else { "TLS" };
        println!("{dialogue} {kind}: {each} octets for each of {count}");
    }
}

async fn open(directory: &Path) -> Running {
    let identity = Identity::from_authority(directory, &[]).unwrap();
    let host = Host::parse("mail.example.org").unwrap();
    let rules = Rules {
        argon2_kibibytes: 64,
        ..Rules::new(host.clone())
    };
    let world = Arc::new(World::open().unwrap());
    let post = Post::open(Arc::new(store::Memory::new()), world, rules).await;
    let post = post.unwrap();
    post.add_domain(&Host::parse("example.org").unwrap())
        .await
        .unwrap();
    let alice = Address::parse("alice@example.org").unwrap();
    post.add_account(&alice, "password").await.unwrap();
    let door = |protocol, encrypted| Door {
        protocol,
        endpoint: Endpoint::Tcp("127.0.0.1:0".parse().unwrap()),
        ports_max: 0,
        encrypted,
        proxies: Vec::new(),
    };
    let settings = Settings {
        identity: Some(identity),
        doors: vec![
            door(Protocol::Smtp, Encrypted::StartTls),
            door(Protocol::Pop3, Encrypted::Implicit),
            door(Protocol::Imap, Encrypted::Implicit),
        ],
        connections_per_network_max: usize::MAX,
        ..Settings::new(host)
    };
    server::run(settings, post).await.unwrap()
}

/// Octets by which this process grows while `count` connections are open and idle.
fn grown(count: &str, address: &str, roots: &str, dialogue: &str) -> u64 {
    tokio::task::block_in_place(|| {
        let before = resident_octets();
        let mut holder = Command::new(std::env::current_exe().unwrap())
            .args(["hold", count, address, roots, dialogue])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0; 1];
        holder
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut ready)
            .unwrap();
        let grown = resident_octets().saturating_sub(before);
        drop(holder.stdin.take());
        holder.wait().unwrap();
        grown
    })
}

/// Opens connections, speaks on each, tells its parent, and holds them until it is let go.
async fn hold(count: &str, address: &str, roots: &str, dialogue: &str) {
    let endpoint = Endpoint::Tcp(address.parse().unwrap());
    let trust = (roots != "-").then(|| roots_from_pem(roots.as_ref()).unwrap());
    let dialogue = match dialogue {
        "smtp" => SMTP,
        "pop3" => POP3,
        _ => IMAP,
    };
    let mut held = Vec::new();
    for _ in 0..count.parse().unwrap() {
        let socket = connect(&endpoint, LIMIT).await.unwrap();
        let encryption = trust.clone().map_or(Encryption::None, |trust| {
            Encryption::Client(trust, "localhost".try_into().unwrap())
        });
        let mut stream = Stream::plain(socket, encryption);
        if trust.is_some() {
            stream.encrypt(LIMIT).await.unwrap();
        }
        for (say, until) in dialogue {
            stream.write_all(say.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            while !line(&mut stream).await.starts_with(until) {}
        }
        held.push(stream);
    }
    println!("ready");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

async fn line(stream: &mut Stream) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        line.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(line).unwrap()
}

fn resident_octets() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    let kibibytes = line.split_whitespace().nth(1).unwrap();
    kibibytes.parse::<u64>().unwrap() * 1024
}
