//! Fifty rules at delivery, over a store in memory: what they take of the processor beside a reader
//! who has none, by turns. Sockets and disks cost the same with both, and vary by more than this.
//!
//! `cargo xtask bench sieve` runs it.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench")]

#[path = "../../sieve/benches/running/letter.rs"]
mod letter;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use letter::letter;
use mail::{
    Address, BodyType, ForwardPath, Host, Recipient, ReversePath, ScriptName, Timestamp, TlsWish,
};
use post::{Origin, Outside, Post, Protocol, Rules, ScriptVerdict, Sender};
use store::{Boxed, Memory};
use trust::{Answer, Question};

const RULES: &[u8] = include_bytes!("../../sieve/benches/rules.sieve");
/// Turns of each reader, and letters of a turn.
const TURNS: usize = 41;
const LETTERS: usize = 500;

/// A world of which nothing is asked.
#[derive(Debug)]
struct Still(AtomicU64);

impl Outside for Still {
    fn now(&self) -> Timestamp {
        Timestamp::utc(1_800_000_000)
    }

    fn instant(&self) -> mail::Instant {
        mail::Instant(Duration::from_secs(1))
    }

    fn fill(&self, octets: &mut [u8]) {
        for octet in octets {
            let throw = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            *octet = throw.to_be_bytes().get(1).copied().unwrap_or_default();
        }
    }

    fn ask<'a>(&'a self, _: &'a Question) -> Boxed<'a, Answer> {
        Box::pin(async { Answer::NoSuchName })
    }

    fn run_heavy(&self, work: Box<dyn FnOnce() + Send>) {
        work();
    }

    fn detach(&self, _: Boxed<'static, ()>) {}
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(run());
}

async fn run() {
    let rules = Rules {
        argon2_kibibytes: 8,
        argon2_passes: 1,
        scram_iterations: 2,
        ..Rules::new(Host::parse("mx.bench.localhost").expect("a name"))
    };
    let post = Post::open(
        Arc::new(Memory::default()),
        Arc::new(Still(AtomicU64::new(1))),
        rules,
    );
    let post = post.await.expect("a house");
    let domain = Host::parse("bench.localhost").expect("a name");
    post.add_domain(&domain).await.expect("a domain");
    for name in ["ada", "alan"] {
        let added = post.add_account(&address(name), "secret").await;
        added.expect("an account");
    }
    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let ada = post.login_password(peer, "ada@bench.localhost", None, "secret");
    let (ada, main) = (
        ada.await.expect("ada"),
        ScriptName::parse("main").expect("a name"),
    );
    let kept = ada.put_script(&main, &Bytes::from_static(RULES)).await;
    assert_eq!(kept.expect("kept"), ScriptVerdict::Right(Vec::new()));
    ada.activate_script(Some(&main)).await.expect("active");

    let (mut plain, mut ruled, mut extra) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..TURNS {
        let (with, without) = match turn % 2 {
            0 => (turn_of(&post, "ada").await, turn_of(&post, "alan").await),
            _ => {
                let without = turn_of(&post, "alan").await;
                (turn_of(&post, "ada").await, without)
            }
        };
        plain.push(without);
        ruled.push(with);
        extra.push(with - without);
    }
    println!(
        "a delivery over a store in memory: {:.2} µs",
        median(&mut plain)
    );
    println!("the same with 50 rules: {:.2} µs", median(&mut ruled));
    println!("the rules, by turns: {:.2} µs", median(&mut extra));
}

/// Microseconds for each letter.
async fn turn_of(post: &Post, name: &str) -> f64 {
    let begun = Instant::now();
    for number in 0..LETTERS {
        deliver(post, name, number).await;
    }
    begun.elapsed().as_secs_f64() * 1e6 / 500.0
}

async fn deliver(post: &Post, name: &str, number: usize) {
    let origin = Origin {
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        helo: "bench.localhost".to_owned(),
        protocol: Protocol::Lmtp,
        tls: None,
        account: None,
        user: None,
    };
    let reverse_path = ReversePath::parse("<sender@elsewhere.example>").expect("an address");
    let sender = Sender {
        reverse_path,
        size: None,
        body: BodyType::EightBitMime,
        smtputf8: false,
        ret: None,
        envid: None,
        tls: TlsWish::Usual,
    };
    let incoming = post.begin(origin, sender);
    let mut incoming = incoming.expect("a letter");
    let recipient = Recipient {
        forward_path: ForwardPath::Address(address(name)),
        notify: None,
        orcpt: None,
    };
    incoming.recipient(recipient).await.expect("a recipient");
    let octets = Bytes::from(letter(number));
    incoming.chunk(octets).await.expect("room");
    incoming.commit().await.expect("delivered");
}

fn address(name: &str) -> Address {
    Address::parse(&format!("{name}@bench.localhost")).expect("an address")
}

fn median(all: &mut [f64]) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}
