//! Something handed over by HTTP under TLS: to whom the right authority vouches for, and nobody
//! else.

use std::time::Duration;

use bytes::Bytes;
use net::{Authority, Clock, Encryption, HttpError, HttpPlace, Identity, Socket, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const LIMIT: Duration = Duration::from_secs(60);

/// Answers one request; what it was asked, if the other side goes on after the handshake.
async fn answering(listener: TcpListener, identity: Identity) -> Option<String> {
    let (socket, _) = listener.accept().await.unwrap();
    let mut stream = Stream::plain(Socket::Tcp(socket), Encryption::Server(identity));
    stream.encrypt(LIMIT).await.ok()?;
    let (mut asked, mut octets) = (Vec::new(), [0; 1024]);
    while !asked.ends_with(b"letter") {
        match stream.read(&mut octets).await {
            Ok(count @ 1..) => asked.extend_from_slice(octets.get(..count)?),
            _ => return None,
        }
    }
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nyes!";
    stream.write_all(answer).await.unwrap();
    stream.flush().await.unwrap();
    String::from_utf8(asked).ok()
}

#[tokio::test]
async fn who_is_not_vouched_for_is_told_nothing() {
    let (own, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let roots = |folder: &std::path::Path| {
        let authority = Authority::open(folder, Clock::today()).unwrap();
        authority.roots()
    };
    let (good, wrong) = (roots(own.path()), roots(other.path()));
    for (authorities, is_good) in [(good, true), (wrong, false)] {
        let identity = Identity::from_authority(own.path(), &["mail.example".to_owned()]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/x", listener.local_addr().unwrap());
        let place = HttpPlace::new(&url, Some(&authorities)).unwrap();
        let secret = [("Password", "open sesame".to_owned())];
        let posted = place.post("/y", &secret, Bytes::from_static(b"letter"), (4, LIMIT));
        let (said, asked) = tokio::join!(posted, answering(listener, identity.unwrap()));
        match is_good {
            true => {
                assert_eq!(said.unwrap(), "yes!");
                let asked = asked.unwrap();
                assert!(asked.starts_with("POST /x/y HTTP/1.1\r\n"), "{asked}");
                assert!(asked.contains("\r\npassword: open sesame\r\n"), "{asked}");
            }
            false => {
                assert!(matches!(said, Err(HttpError::Tls(_))), "{said:?}");
                assert_eq!(asked, None);
            }
        }
        assert!(!format!("{place:?}").contains("sesame"));
    }
}
