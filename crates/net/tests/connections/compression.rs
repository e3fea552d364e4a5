//! Conversations that go on compressed.

use net::{Encryption, End, Error, Socket, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::script::{hear, hear_line, pipe, serve};

/// Our end, driven, and the peer's, both compressing behind the first lines; so many octets at
/// once are on their way.
async fn compressed(octets: usize) -> (Stream, tokio::task::JoinHandle<Result<End, Error>>) {
    let (stream, mut peer) = pipe(octets, Encryption::None);
    let driven = tokio::spawn(serve(stream));
    peer.write_all(b"deflate\r\n").await.unwrap();
    assert_eq!(hear_line(&mut peer).await, "go ahead");
    let mut peer = Stream::plain(Socket::Memory(peer), Encryption::None);
    peer.compress().unwrap();
    (peer, driven)
}

#[tokio::test]
async fn all_goes_on_whatever_is_on_its_way_at_once() {
    // Less than one flush has to say, and neither end would read.
    for octets in [16, 1000, 1 << 20] {
        let (mut peer, driven) = compressed(octets).await;
        // Each round waits, so that the compressor begins anew.
        for round in 0..5 {
            let text = format!("echo {round}{}\r\n", "ab".repeat(100));
            peer.write_all(text.as_bytes()).await.unwrap();
            peer.flush().await.unwrap();
            let heard = hear_line(&mut peer).await;
            assert_eq!(heard, format!("{round}{}", "ab".repeat(100)));
        }
        peer.write_all(b"splice 100000\r\nquit\r\n").await.unwrap();
        peer.flush().await.unwrap();
        let mut heard = String::new();
        peer.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "x".repeat(100_000) + "bye\r\n");
        assert_eq!(driven.await.unwrap().unwrap(), End::Closed);
    }
}

#[tokio::test]
async fn noise_ends_the_connection() {
    let (mut stream, mut peer) = pipe(1000, Encryption::None);
    stream.compress().unwrap();
    peer.write_all(&[0xff; 100]).await.unwrap();
    let read = stream.read_u8().await;
    assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::InvalidData);
}

#[tokio::test]
async fn what_is_small_and_becomes_large_comes_piece_by_piece() {
    let (mut small, mut wire) = pipe(1 << 20, Encryption::None);
    small.compress().unwrap();
    small.write_all(&vec![b'x'; 10_000_000]).await.unwrap();
    small.flush().await.unwrap();
    drop(small);
    let mut packed = Vec::new();
    wire.read_to_end(&mut packed).await.unwrap();
    assert!(packed.len() < 100_000, "{}", packed.len());
    let (mut stream, mut peer) = pipe(1 << 20, Encryption::None);
    stream.compress().unwrap();
    peer.write_all(&packed).await.unwrap();
    drop(peer);
    let mut room = vec![0; 1000];
    let mut octets = 0;
    loop {
        let read = stream.read(&mut room).await.unwrap();
        octets += read;
        if read == 0 {
            break;
        }
    }
    assert_eq!(octets, 10_000_000);
}

#[tokio::test]
async fn compression_is_not_put_around_twice() {
    let (mut stream, mut peer) = pipe(1000, Encryption::None);
    stream.compress().unwrap();
    assert!(matches!(stream.compress(), Err(Error::NoUpgrade)));
    drop(stream);
    assert_eq!(hear(&mut peer).await, "");
}
