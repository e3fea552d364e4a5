//! Both ends against each other, in memory.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use std::collections::VecDeque;

use bytes::Bytes;
use mail::ScriptName;
use managesieve::client::{Client, News, Order};
use managesieve::command::Command;
use managesieve::response::{Code, Data, Status};
use wire::dialogue::{House as _, security_for_tests};
use wire::{Session as _, Step};

#[path = "made/house.rs"]
mod house;

use house::{Made, session};

/// Carries octets between the two until the client is done; `orders` answer its news.
fn converse(kind: &str, mut orders: impl FnMut(&News) -> Order) -> (Vec<News>, Made) {
    let mut server = session(kind);
    let mut client = Client::new();
    let mut house = Made::new();
    let mut heard = Vec::new();
    let (mut up, mut down) = (VecDeque::new(), VecDeque::new());
    for _ in 0..20_000 {
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
            Step::Close => return (heard, house),
            Step::Splice(_) => {}
        }
    }
    (heard, house)
}

fn name(name: &str) -> ScriptName {
    ScriptName::parse(name).unwrap()
}

fn login() -> Command {
    Command::Authenticate {
        mechanism: "PLAIN".to_owned(),
        initial: Some(b"\0ada\0secret word".to_vec()),
    }
}

fn replies(heard: &[News]) -> Vec<(&[Data], Status)> {
    let replies = heard.iter().filter_map(|news| match news {
        News::Reply(_, data, response) => Some((data.as_slice(), response.status)),
        _ => None,
    });
    replies.collect()
}

#[test]
fn a_pipelining_client_keeps_a_script_and_reads_it() {
    let script = Bytes::from_static(b"# two\r\nkeep;\r\n");
    let text = script.clone();
    let (heard, house) = converse("# clear", move |news| match news {
        News::Greeting(..) => Order::Send(vec![
            login(),
            Command::PutScript(name("a \"b\""), text.clone()),
            Command::SetActive(Some(name("a \"b\""))),
            Command::ListScripts,
            Command::GetScript(name("a \"b\"")),
            Command::DeleteScript(name("a \"b\"")),
            Command::Logout,
        ]),
        News::Reply(Command::Logout, ..) => Order::Close,
        _ => Order::Send(Vec::new()),
    });
    assert_eq!(house.active, Some(name("a \"b\"")));
    let replies = replies(&heard);
    let statuses: Vec<Status> = replies.iter().map(|(_, status)| *status).collect();
    let ok = Status::Ok;
    assert_eq!(statuses, [ok, ok, ok, ok, ok, Status::No, ok]);
    let listed = Data {
        is_active: true,
        ..Data::new("a \"b\"".into())
    };
    assert_eq!(replies[3].0, [listed]);
    assert_eq!(replies[4].0, [Data::new(script)]);
}

#[test]
fn a_client_encrypts_and_answers_challenges() {
    let mut greetings = 0;
    let (heard, _) = converse("# nothing", |news| match news {
        News::Greeting(capabilities, _) => {
            greetings += 1;
            let offered = capabilities.contains(&Data::capability("STARTTLS", None));
            assert_eq!(offered, greetings == 1);
            Order::Send(vec![match greetings {
                1 => Command::StartTls,
                _ => Command::Authenticate {
                    mechanism: "PLAIN".to_owned(),
                    initial: None,
                },
            }])
        }
        News::Challenge(_) => Order::Respond(b"\0ada\0secret word".to_vec()),
        News::Reply(Command::Authenticate { .. }, ..) => {
            let noop = Command::Noop(Some("tag".to_owned()));
            Order::Send(vec![noop, Command::Capability, Command::Logout])
        }
        News::Reply(Command::Logout, ..) => Order::Close,
        News::Reply(Command::Noop(_), _, response) => {
            assert_eq!(response.code, Some(Code::Tag("tag".to_owned())));
            Order::Send(Vec::new())
        }
        _ => Order::Send(Vec::new()),
    });
    let owner = Data::capability("OWNER", Some("ada@caramel.example"));
    assert!(replies(&heard)[3].0.contains(&owner), "{heard:?}");
}

#[test]
fn a_client_gives_up_and_hears_nonsense() {
    let (heard, _) = converse("# clear", |news| match news {
        News::Greeting(..) => Order::Send(vec![Command::Authenticate {
            mechanism: "PLAIN".to_owned(),
            initial: None,
        }]),
        News::Challenge(_) => Order::Cancel,
        _ => Order::Close,
    });
    assert_eq!(replies(&heard), [(&[][..], Status::No)]);
    for said in ["* OK IMAP4rev2\r\n", "OK\r\nOK\r\n", "\"a\r\n"] {
        let mut client = Client::new();
        client.receive(said.as_bytes());
        let mut last = None;
        loop {
            match client.step() {
                Step::Ask(news) => {
                    client.answer(Order::Send(Vec::new()));
                    last = Some(news);
                }
                Step::Close | Step::Read => break,
                _ => {}
            }
        }
        assert_eq!(last, Some(News::Nonsense), "{said}");
    }
}
