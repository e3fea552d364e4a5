//! Listeners on this machine: limits, panics, stopping.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use net::{Encryption, Endpoint, Gate, Listener, Stop, Stopper, Stream, connect, drive, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::script::{Echo, Script, hear_line, terms};

const REFUSAL: &str = "421 4.7.0 Too many connections\r\n";

async fn open(wanted: Endpoint, gate: &Arc<Gate>, stop: Stop) -> Endpoint {
    let listener = Listener::bind(&wanted, 0).await.unwrap();
    let endpoint = listener.endpoint().clone();
    let refusal = Bytes::from_static(REFUSAL.as_bytes());
    let converse = |socket, _, mut stop| async move {
        let mut stream = Stream::plain(socket, Encryption::None);
        let (mut house, _ledger) = Echo::new();
        let mut session = Script::default();
        let _end = drive(&mut stream, &mut session, &mut house, &terms(), &mut stop).await;
    };
    tokio::spawn(serve(listener, gate.clone(), refusal, stop, converse));
    endpoint
}

async fn call(endpoint: &Endpoint) -> Stream {
    let socket = connect(endpoint, Duration::from_secs(10)).await.unwrap();
    Stream::plain(socket, Encryption::None)
}

async fn greets(stream: &mut Stream) -> bool {
    stream.write_all(b"echo hello\r\n").await.unwrap();
    hear_line(stream).await == "hello"
}

async fn hear(stream: &mut Stream) -> String {
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    heard
}

fn anywhere() -> Endpoint {
    Endpoint::Tcp("127.0.0.1:0".parse().unwrap())
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let gate = Gate::new(2, 1);
    let stopper = Stopper::default();
    let endpoint = open(anywhere(), &gate, stopper.listen()).await;
    let mut first = call(&endpoint).await;
    let mut second = call(&endpoint).await;
    assert!(greets(&mut first).await && greets(&mut second).await);
    assert_eq!(hear(&mut call(&endpoint).await).await, REFUSAL);
    first.write_all(b"quit\r\n").await.unwrap();
    assert_eq!(hear(&mut first).await, "bye\r\n");
    drop(first);
    while gate.inside() > 1 {
        tokio::task::yield_now().await;
    }
    assert!(greets(&mut call(&endpoint).await).await);
}

#[test]
fn an_ipv6_customer_has_a_whole_network() {
    let gate = Gate::new(10, 2);
    let enter = |address: &str| gate.enter(Some(address.parse().unwrap()));
    let _first = enter("2001:db8::1").unwrap();
    let second = enter("2001:db8::2").unwrap();
    assert!(enter("2001:db8::3").is_none());
    let _other = enter("2001:db8:0:1::1").unwrap();
    let _v4 = (
        enter("192.0.2.1").unwrap(),
        enter("::ffff:192.0.2.1").unwrap(),
    );
    assert!(enter("192.0.2.1").is_none());
    let _own = [(); 3].map(|()| enter("127.0.0.1").unwrap());
    let _own = [(); 2].map(|()| enter("::1").unwrap());
    assert_eq!(gate.inside(), 10);
    assert!(enter("::1").is_none());
    drop(second);
    assert!(enter("2001:db8::3").is_some());
}

#[tokio::test]
async fn a_panic_costs_one_connection() {
    let gate = Gate::new(10, 10);
    let stopper = Stopper::default();
    let endpoint = open(anywhere(), &gate, stopper.listen()).await;
    let mut other = call(&endpoint).await;
    assert!(greets(&mut other).await);
    let mut unlucky = call(&endpoint).await;
    unlucky.write_all(b"panic\r\n").await.unwrap();
    assert_eq!(hear(&mut unlucky).await, "");
    assert!(greets(&mut other).await);
    while gate.inside() > 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_unix_socket_is_a_door_like_any_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("door");
    for _ in 0..2 {
        let gate = Gate::new(10, 1);
        let stopper = Stopper::default();
        let wanted = Endpoint::Unix(path.clone());
        let endpoint = open(wanted, &gate, stopper.listen()).await;
        assert!(greets(&mut call(&endpoint).await).await);
        assert!(greets(&mut call(&endpoint).await).await);
        stopper.stop(Duration::from_secs(10)).await;
        assert!(!path.exists());
        // What a server that died leaves behind does not keep the next one out.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    }
}

#[tokio::test]
async fn a_taken_port_is_passed_over_where_that_is_wanted() {
    let first = Listener::bind(&anywhere(), 0).await.unwrap();
    assert!(Listener::bind(first.endpoint(), 0).await.is_err());
    let next = Listener::bind(first.endpoint(), 100).await.unwrap();
    assert_ne!(next.endpoint(), first.endpoint());
}

#[tokio::test]
async fn a_server_stops_and_nobody_gets_in_any_more() {
    let gate = Gate::new(10, 10);
    let stopper = Stopper::default();
    let endpoint = open(anywhere(), &gate, stopper.listen()).await;
    let mut stream = call(&endpoint).await;
    assert!(greets(&mut stream).await);
    let heard = async move { hear(&mut stream).await };
    let (heard, ()) = tokio::join!(heard, stopper.stop(Duration::from_secs(60)));
    assert_eq!(heard, "farewell\r\n");
    assert_eq!(gate.inside(), 0);
    assert!(connect(&endpoint, Duration::from_secs(10)).await.is_err());
}
