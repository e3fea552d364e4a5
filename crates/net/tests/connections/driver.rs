//! One session, one stream, and what can happen between them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use mail::ModSeq;
use net::{
    Encryption, End, Endpoint, Error, Listener, Stop, Stopper, Stream, Terms, connect, drive,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::script::{Echo, Script, converse, hear, hear_line, pipe, terms};

async fn run(mut stream: Stream, mut house: Echo, terms: Terms, mut stop: Stop) -> Outcome {
    let mut session = Script::default();
    drive(&mut stream, &mut session, &mut house, &terms, &mut stop).await
}

type Outcome = Result<End, Error>;

#[tokio::test]
async fn wishes_come_true_in_order() {
    let (stream, peer) = pipe(1 << 20, Encryption::None);
    let (house, _ledger) = Echo::new();
    let driven = tokio::spawn(run(stream, house, terms(), Stop::never()));
    let heard = converse(peer, "echo a\r\nask b\r\nsplice 3\r\nask c\r\nquit\r\n").await;
    assert_eq!(heard, "a\r\nanswer to b\r\nxxxanswer to c\r\nbye\r\n");
    assert_eq!(driven.await.unwrap().unwrap(), End::Closed);
}

#[tokio::test]
async fn a_pipelined_batch_is_answered_at_once() {
    let (stream, mut peer) = pipe(1 << 20, Encryption::None);
    let (house, _ledger) = Echo::new();
    let driven = tokio::spawn(run(stream, house, terms(), Stop::never()));
    peer.write_all(b"echo a\r\nask b\r\nsplice 5\r\necho c\r\n")
        .await
        .unwrap();
    let mut room = [0; 1000];
    let len = peer.read(&mut room).await.unwrap();
    assert_eq!(&room[..len], b"a\r\nanswer to b\r\nxxxxxc\r\n");
    drop(peer);
    assert_eq!(driven.await.unwrap().unwrap(), End::Closed);
}

#[tokio::test]
async fn a_large_range_passes_in_pieces_as_fast_as_the_peer_reads() {
    const LEN: u64 = 10_000_000;
    let (stream, mut peer) = pipe(1000, Encryption::None);
    let (house, _ledger) = Echo::new();
    let read = house.read.clone();
    let driven = tokio::spawn(run(stream, house, terms(), Stop::never()));
    let wish = format!("splice {LEN}\r\nquit\r\n");
    peer.write_all(wish.as_bytes()).await.unwrap();
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    let ahead = read.load(Ordering::Relaxed);
    assert!(
        ahead <= 2 * terms().splice_octets_max,
        "{ahead} octets read ahead"
    );
    let heard = hear(&mut peer).await;
    assert_eq!(heard.len(), usize::try_from(LEN).unwrap() + "bye\r\n".len());
    drop(peer);
    assert_eq!(driven.await.unwrap().unwrap(), End::Closed);
}

#[tokio::test]
async fn a_range_that_cannot_be_read_breaks_the_connection_off() {
    let (stream, mut peer) = pipe(1000, Encryption::None);
    let (house, _ledger) = Echo::new();
    let driven = tokio::spawn(run(stream, house, terms(), Stop::never()));
    peer.write_all(b"splice 200000000\r\n").await.unwrap();
    let heard = tokio::io::copy(&mut peer, &mut tokio::io::sink())
        .await
        .unwrap();
    assert!(heard <= 100_100_000);
    assert!(matches!(driven.await.unwrap(), Err(Error::Read(_))));
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_read_is_left() {
    let (stream, mut peer) = pipe(1000, Encryption::None);
    let (house, _ledger) = Echo::new();
    let driven = tokio::spawn(run(stream, house, terms(), Stop::never()));
    peer.write_all(b"splice 100000\r\n").await.unwrap();
    assert!(matches!(driven.await.unwrap(), Err(Error::SlowReader)));
}

#[tokio::test(start_paused = true)]
async fn a_session_is_woken_at_its_deadline() {
    let (stream, mut peer) = pipe(1000, Encryption::None);
    let (house, _ledger) = Echo::new();
    let began = tokio::time::Instant::now();
    let driven = tokio::spawn(run(stream, house, terms(), Stop::never()));
    peer.write_all(b"wait 1800\r\n").await.unwrap();
    assert_eq!(hear_line(&mut peer).await, "time is up");
    assert_eq!(began.elapsed().as_secs(), 1800);
    peer.write_all(b"quit\r\n").await.unwrap();
    assert_eq!(driven.await.unwrap().unwrap(), End::Closed);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_long_is_told_how_far_it_is() {
    let (stream, peer) = pipe(1000, Encryption::None);
    let (house, _ledger) = Echo::new();
    let driven = tokio::spawn(run(stream, house, terms(), Stop::never()));
    let wishes = "patience 10\r\necho a\r\nask slow 35\r\nask b\r\nask slow 10\r\nquit\r\n";
    let heard = converse(peer, wishes).await;
    let told = "a\r\n* 10 done at 10\r\n* 20 done at 20\r\n* 30 done at 30\r\n\
                answer to slow 35\r\nanswer to b\r\n* 5 done at 40\r\nanswer to slow 10\r\nbye\r\n";
    assert_eq!(heard, told);
    assert_eq!(driven.await.unwrap().unwrap(), End::Closed);
}

#[tokio::test(start_paused = true)]
async fn short_asks_are_not_remarked_on_but_many_are() {
    let (stream, peer) = pipe(1000, Encryption::None);
    let (house, _ledger) = Echo::new();
    let driven = tokio::spawn(run(stream, house, terms(), Stop::never()));
    let heard = converse(peer, "patience 10\r\nask slow 9\r\nask slow 9\r\nquit\r\n").await;
    let told = "answer to slow 9\r\n* 1 done at 10\r\nanswer to slow 9\r\nbye\r\n";
    assert_eq!(heard, told);
    assert_eq!(driven.await.unwrap().unwrap(), End::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_the_middle_of_a_line_waits_for_its_end() {
    // So little room that no line passes at once.
    let (stream, mut peer) = pipe(3, Encryption::None);
    let (house, _ledger) = Echo::new();
    let driven = tokio::spawn(run(stream, house, terms(), Stop::never()));
    let wishes = b"patience 10\r\nask slow 35\r\n";
    peer.write_all(wishes).await.unwrap();
    // Nobody reads until the answer has long been there.
    let mut clock = tokio::time::interval(Duration::from_secs(50));
    clock.tick().await;
    clock.tick().await;
    assert_eq!(hear_line(&mut peer).await, "* 10 done at 10");
    assert_eq!(hear_line(&mut peer).await, "answer to slow 35");
    peer.write_all(b"quit\r\n").await.unwrap();
    assert_eq!(hear_line(&mut peer).await, "bye");
    drop(peer);
    assert_eq!(driven.await.unwrap().unwrap(), End::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passed_unseen_is_told_before_the_input() {
    let (stream, mut peer) = pipe(1000, Encryption::None);
    let (house, _ledger) = Echo::new();
    let driven = tokio::spawn(run(stream, house, terms(), Stop::never()));
    peer.write_all(b"wait 5\r\necho set\r\n").await.unwrap();
    assert_eq!(hear_line(&mut peer).await, "set");
    tokio::time::advance(Duration::from_secs(6)).await;
    peer.write_all(b"echo late\r\n").await.unwrap();
    assert_eq!(hear_line(&mut peer).await, "time is up");
    assert_eq!(hear_line(&mut peer).await, "late");
    drop(peer);
    assert_eq!(driven.await.unwrap().unwrap(), End::Closed);
}

#[tokio::test]
async fn news_of_the_ledger_wakes_a_session() {
    let (stream, mut peer) = pipe(1000, Encryption::None);
    let (house, ledger) = Echo::new();
    let driven = tokio::spawn(run(stream, house, terms(), Stop::never()));
    for modseq in 1..5 {
        ledger.send(ModSeq(modseq)).unwrap();
        assert_eq!(hear_line(&mut peer).await, format!("* {modseq}"));
    }
    peer.write_all(b"quit\r\n").await.unwrap();
    assert_eq!(hear(&mut peer).await, "bye\r\n");
    drop(peer);
    assert_eq!(driven.await.unwrap().unwrap(), End::Closed);
}

#[tokio::test]
async fn news_from_before_the_input_is_told_before_the_input() {
    let (stream, mut peer) = pipe(1000, Encryption::None);
    let (house, ledger) = Echo::new();
    let driven = tokio::spawn(run(stream, house, terms(), Stop::never()));
    peer.write_all(b"echo begin\r\n").await.unwrap();
    assert_eq!(hear_line(&mut peer).await, "begin");
    // Both are there when the driver looks next.
    ledger.send(ModSeq(7)).unwrap();
    peer.write_all(b"quit\r\n").await.unwrap();
    assert_eq!(hear(&mut peer).await, "* 7\r\nbye\r\n");
    drop(peer);
    assert_eq!(driven.await.unwrap().unwrap(), End::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_peer_may_go_at_any_octet() {
    let wishes = b"echo a\r\nask b\r\nsplice 50000\r\nwait 9\r\nask c\r\nquit\r\n";
    for room in [1, 64, 1 << 16] {
        for cut in 0..wishes.len() {
            let (stream, mut peer) = pipe(room, Encryption::None);
            let (house, _ledger) = Echo::new();
            let driven = tokio::spawn(run(stream, house, terms(), Stop::never()));
            let said = peer.write_all(&wishes[..cut]);
            // With little room both may be stuck writing; then the driver leaves.
            let _said = tokio::time::timeout(Duration::from_secs(1), said).await;
            drop(peer);
            let end = driven.await.unwrap();
            assert!(
                matches!(end, Ok(End::Closed | End::Gone) | Err(Error::Socket { .. })),
                "{end:?} after {cut} octets"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_says_farewell() {
    let (stream, mut peer) = pipe(1000, Encryption::None);
    let (house, _ledger) = Echo::new();
    let stopper = Stopper::default();
    let driven = tokio::spawn(run(stream, house, terms(), stopper.listen()));
    peer.write_all(b"echo a\r\nask b\r\n").await.unwrap();
    stopper.stop(Duration::from_secs(10)).await;
    assert_eq!(hear(&mut peer).await, "a\r\nanswer to b\r\nfarewell\r\n");
    assert_eq!(driven.await.unwrap().unwrap(), End::Stopped);
}

#[tokio::test]
async fn an_upgrade_there_are_no_means_for_ends_the_connection() {
    for wish in ["tls\r\n"] {
        let (stream, mut peer) = pipe(1000, Encryption::None);
        let (house, _ledger) = Echo::new();
        let driven = tokio::spawn(run(stream, house, terms(), Stop::never()));
        peer.write_all(wish.as_bytes()).await.unwrap();
        assert!(matches!(driven.await.unwrap(), Err(Error::NoUpgrade)));
    }
}

#[tokio::test]
async fn a_peer_that_says_more_than_is_heard_still_hears_the_answer() {
    let wanted = Endpoint::Tcp("127.0.0.1:0".parse().unwrap());
    let listener = Listener::bind(&wanted, 0).await.unwrap();
    let limit = Duration::from_secs(10);
    let mut peer = Stream::plain(
        connect(listener.endpoint(), limit).await.unwrap(),
        Encryption::None,
    );
    let (socket, _, _) = listener.accept().await.unwrap();
    let stream = Stream::plain(socket, Encryption::None);
    let (house, _ledger) = Echo::new();
    let driven = tokio::spawn(run(stream, house, terms(), Stop::never()));
    let more = [b"quit\r\n".as_slice(), &[b'x'; 150_000]].concat();
    peer.write_all(&more).await.unwrap();
    let mut heard = String::new();
    peer.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "bye\r\n");
    drop(peer);
    assert_eq!(driven.await.unwrap().unwrap(), End::Closed);
}
