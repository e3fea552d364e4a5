//! A server that is stopped while another host has its letter.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::sink::PATIENCE;
use super::{town, zone};

/// A host that says nothing when the first letter has ended, and takes all others; it tells of
/// each.
fn host() -> (u16, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (news, heard) = channel();
    std::thread::spawn(move || {
        let mut waiting = None;
        for socket in listener.incoming().map_while(Result::ok) {
            let is_first = waiting.is_none();
            // A peer that goes in the middle is what is tested.
            drop(converse(&socket, &news, is_first));
            waiting.get_or_insert(socket);
        }
    });
    (port, heard)
}

fn converse(socket: &TcpStream, news: &Sender<()>, is_silent: bool) -> std::io::Result<()> {
    let mut lines = BufReader::new(socket).lines();
    let say = |line: &str| write!(&*socket, "{line}\r\n");
    say("220 host.example ESMTP")?;
    while let Some(line) = lines.next().transpose()? {
        match line.get(..4) {
            Some("DATA") => {
                say("354 Go on")?;
                while lines.next().transpose()?.is_some_and(|line| line != ".") {}
                news.send(()).unwrap_or_default();
                if is_silent {
                    return Ok(());
                }
                say("250 2.0.0 It is here")?;
            }
            Some("QUIT") => return say("221 2.0.0 Bye"),
            _ => say("250 2.0.0 OK")?,
        }
    }
    Ok(())
}

#[test]
fn a_host_that_says_nothing_is_not_waited_for() {
    let (port, heard) = host();
    let zone = zone(&["a.example MX 10 mx.a.example", "mx.a.example A 127.0.0.2"]);
    let mut town = town(&zone, port, "[limits]\nstop_within = \"1s\"\n");
    town.send(&["x@a.example"], "to a silent host", &[]);
    heard.recv_timeout(PATIENCE).unwrap();
    // It ends by itself, and well; what the host would have said it does not know.
    assert!(town.server.stop(), "{}", town.server.log());
    assert_eq!(town.queue().len(), 1);
    town.server.run().unwrap();
    heard.recv_timeout(PATIENCE).unwrap();
    town.is_done();
}
