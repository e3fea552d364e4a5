//! Both ends against each other, in memory.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use std::collections::VecDeque;

use pop3::client::{Client, News, Order};
use pop3::command::Command;
use pop3::response::Status;
use wire::dialogue::{House as _, security_for_tests};
use wire::sasl::Secret;
use wire::{Session as _, Step};

#[path = "made/house.rs"]
mod house;

use house::{MESSAGES, Made, session};

/// Carries octets between the two until the client is done; `orders` answer its news.
fn converse(clear: bool, mut orders: impl FnMut(&News) -> Order) -> Vec<News> {
    let mut server = session(if clear { "# clear" } else { "" });
    let mut client = Client::new();
    let mut house = Made::new();
    let mut heard = Vec::new();
    let (mut up, mut down) = (VecDeque::new(), VecDeque::new());
    for _ in 0..10_000 {
        match server.step() {
            Step::Write(octets) => down.extend(octets),
            Step::Ask(ask) => server.answer(house.answer(ask)),
            Step::Upgrade(_) => server.secured(security_for_tests()),
            Step::Read if !up.is_empty() => server.receive(&up.drain(..).collect::<Vec<u8>>()),
            Step::Read | Step::Splice(_) | Step::Close => {}
        }
        match client.step() {
            Step::Write(octets) => up.extend(octets),
            Step::Ask(news) => {
                client.answer(orders(&news));
                heard.push(news);
            }
            Step::Upgrade(_) => client.secured(security_for_tests()),
            Step::Read => {
                if let Some(octet) = down.pop_front() {
                    client.receive(&[octet]);
                }
            }
            Step::Close => return heard,
            Step::Splice(_) => {}
        }
    }
    heard
}

fn lines(heard: &[News]) -> Vec<u8> {
    let lines = heard.iter().filter_map(|news| match news {
        News::Line(line) => Some([line.as_ref(), b"\r\n"].concat()),
        _ => None,
    });
    lines.collect::<Vec<_>>().concat()
}

#[test]
fn a_pipelining_client_reads_what_the_server_sends() {
    let one = std::num::NonZeroU32::MIN;
    let heard = converse(true, |news| match news {
        News::Greeting(_) => Order::Send(vec![
            Command::User("ada".to_owned()),
            Command::Pass(Secret("secret word".to_owned())),
            Command::Retr(one),
            Command::Dele(one),
            Command::Quit,
        ]),
        News::Reply(Command::Quit, _) => Order::Close,
        _ => Order::Send(Vec::new()),
    });
    assert_eq!(lines(&heard), MESSAGES[0].as_bytes());
    let replies = heard.iter().filter_map(|news| match news {
        News::Reply(_, response) => Some(response.status),
        _ => None,
    });
    assert_eq!(replies.collect::<Vec<_>>(), [Status::Ok; 5]);
}

#[test]
fn a_client_encrypts_and_answers_challenges() {
    let heard = converse(false, |news| match news {
        News::Greeting(_) => Order::Send(vec![Command::Stls]),
        News::Secured(_) => Order::Send(vec![Command::Auth {
            mechanism: "PLAIN".to_owned(),
            initial: None,
        }]),
        News::Challenge(_) => Order::Respond(b"\0ada\0secret word".to_vec()),
        News::Reply(Command::Auth { .. }, response) => {
            assert_eq!(response.status, Status::Ok);
            Order::Send(vec![Command::Uidl(None), Command::Quit])
        }
        News::Reply(Command::Quit, _) => Order::Close,
        _ => Order::Send(Vec::new()),
    });
    assert_eq!(lines(&heard), b"1 a1\r\n2 b2\r\n3 c3\r\n");
}
