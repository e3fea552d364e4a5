//! The client against a scripted server: what it says, what it tells, whatever the cut.
#![expect(clippy::panic, reason = "a test")]

use bytes::{Bytes, BytesMut};
use imap::client::{Client, ClientPolicy, Message, News, Request};
use imap::command::{Fetch, FetchItem, SelectParameters};
use imap::response::{Code, Condition, FetchData, Status};
use imap::{Command, MailboxName, Response};
use mail::FlagSet;
use wire::dialogue::{Cut, play};
use wire::sasl::Secret;

fn inbox() -> MailboxName {
    MailboxName::new("inbox")
}

/// Plays the script with the server's lines as `C:`; returns the transcript and the news.
fn converse(requests: Vec<Request>, script: &str, cut: Cut) -> (String, Vec<News>) {
    let mut client = Client::new(ClientPolicy::default(), requests);
    let mut news = Vec::new();
    let mut caller = |event: News| {
        let idling = matches!(event, News::Response(Response::Exists(_)));
        news.push(event);
        if idling {
            vec![Request::Done]
        } else {
            Vec::new()
        }
    };
    let transcript = play(&mut client, &mut caller, script, cut);
    (transcript, news)
}

fn check(requests: &[Request], script: &str) -> Vec<News> {
    let (transcript, news) = converse(requests.to_vec(), script, Cut::Lines);
    assert_eq!(transcript, script);
    for size in [1, 2, 3, 7] {
        let again = converse(requests.to_vec(), script, Cut::Every(size));
        assert_eq!(
            again,
            (transcript.clone(), news.clone()),
            "cut every {size} octets"
        );
    }
    news
}

fn fetch_body() -> Command {
    let set = Command::parse(b"a UID EXPUNGE 1:*");
    let Ok((_, Command::UidExpunge(set))) = set else {
        panic!("a set");
    };
    Command::Fetch(Fetch {
        uid: true,
        set,
        items: vec![
            FetchItem::Flags,
            FetchItem::BodySection {
                section: message::Section::default(),
                partial: None,
                peek: true,
            },
        ],
        changed_since: None,
        vanished: false,
        partial: None,
    })
}

#[test]
fn logs_in_selects_fetches_and_leaves() {
    let requests = [
        Request::Plain {
            user: "ada".to_owned(),
            password: Secret("lovelace".to_owned()),
        },
        Request::Command(Command::Select {
            mailbox: inbox(),
            parameters: SelectParameters::default(),
        }),
        Request::Command(fetch_body()),
        Request::Command(Command::Logout),
    ];
    let news = check(
        &requests,
        "C: * OK [CAPABILITY IMAP4rev2 AUTH=PLAIN] hello
S: c1 AUTHENTICATE PLAIN
C: +
S: AGFkYQBsb3ZlbGFjZQ==
C: c1 OK you are in
S: c2 SELECT INBOX
C: * 1 RECENT
C: * FLAGS (\\Seen)
C: c2 OK [READ-WRITE] open
S: c3 UID FETCH 1:* (FLAGS BODY.PEEK[])
C: * 1 FETCH (FLAGS (\\Seen) UID 7 BODY[] {12}
C+ a: b\\r\\n\\r\\n{9}\\n)\\r\\n
C: * WHAT is this
C: c3 OK done
S: c4 LOGOUT
C: * BYE farewell
C: c4 OK bye
~ close
",
    );
    assert_eq!(news.len(), 11);
    let Some(News::Greeting(greeting)) = news.first() else {
        panic!("no greeting: {news:?}");
    };
    assert!(matches!(&greeting.code, Some(Code::Capability(list)) if list.len() == 2));
    let Some(News::Response(Response::Fetch(_, data))) = news.get(5) else {
        panic!("no message: {news:?}");
    };
    assert!(data.iter().any(
        |item| matches!(item, FetchData::Section { octets: Some(octets), .. }
        if octets.as_ref() == b"a: b\r\n\r\n{9}\n")
    ));
    assert!(matches!(news.get(6), Some(News::Unreadable(_))));
    assert_eq!(news.last(), Some(&News::Idle));
}

#[test]
fn waits_before_each_literal_and_drops_a_refused_one() {
    let append = Request::Append {
        mailbox: MailboxName::new("\r\n"),
        flags: FlagSet::from_system_bits(1),
        date: None,
        message: Message::Octets(Bytes::from_static(b"x: y\r\n\r\n")),
    };
    let login = Request::Command(Command::Login {
        user: "a\nb".to_owned(),
        password: Secret("é".to_owned()),
    });
    check(
        &[login, append.clone(), append],
        "C: * PREAUTH hello
S: c1 LOGIN {3}
C: + go on
S+ a\\nS+ b {2}\\r\\n
C: + go on
S: é
C: c1 OK in
S: c2 APPEND &AA0ACg- (\\Seen) {8}
C: + go on
S: x: y
S:
S:
C: c2 OK [APPENDUID 1 2] done
S: c3 APPEND &AA0ACg- (\\Seen) {8}
C: c3 NO [OVERQUOTA] full
~ close
"
        .replace("S+ a\\nS+ b {2}\\r\\n", "S+ a\\n\nS: b {2}")
        .as_str(),
    );
}

#[test]
fn idles_until_told_or_until_its_time_is_over() {
    let idle = Request::Command(Command::Idle);
    check(
        &[idle.clone(), idle],
        "C: * PREAUTH hello
S: c1 IDLE
C: + idling
C: * 5 EXISTS
S: DONE
C: c1 OK done
S: c2 IDLE
C: + idling
T: 1680
S: DONE
C: c2 OK done
~ close
",
    );
}

#[test]
fn nothing_said_before_tls_counts_after_it() {
    let requests = [
        Request::Command(Command::StartTls),
        Request::Command(Command::Capability),
    ];
    let script = "C: * OK hello
S: c1 STARTTLS
C+ c1 OK go\\r\\nc2 OK forged\\r\\n
~ tls
S: c2 CAPABILITY
C: * CAPABILITY IMAP4rev2
C: c2 OK done
~ close
";
    let (transcript, news) = converse(requests.to_vec(), script, Cut::Lines);
    assert_eq!(transcript, script);
    assert_eq!(news.get(1), Some(&News::Done("STARTTLS", Status::ok("go"))));
    assert_eq!(
        news.get(3),
        Some(&News::Done("CAPABILITY", Status::ok("done")))
    );
}

#[test]
fn a_silent_gone_or_endless_server_is_given_up() {
    let script = "C: * OK hello\nS: c1 NOOP\nT: 1800\n~ close\n";
    let noop = vec![Request::Command(Command::Noop)];
    let (transcript, news) = converse(noop.clone(), script, Cut::Lines);
    assert_eq!(transcript, script);
    assert_eq!(news.last(), Some(&News::Lost("the server is silent")));

    let script = "C: * OK hello\nS: c1 NOOP\nCE\n~ close\n";
    let (transcript, news) = converse(noop.clone(), script, Cut::Lines);
    assert_eq!(transcript, script);
    assert_eq!(news.last(), Some(&News::Lost("the server is gone")));

    let script = "C: * BYE full\n~ close\n";
    let (transcript, news) = converse(noop, script, Cut::Lines);
    assert_eq!(transcript, script);
    assert!(matches!(news.first(), Some(News::Greeting(status))
        if status.condition == Condition::Bye));

    let script = "C: * OK hello\nS: c1 NOOP\nC+ * 1 FETCH (BODY[] {99999999999999999999}\\r\\n\n";
    let (_, news) = converse(vec![Request::Command(Command::Noop)], script, Cut::Lines);
    assert_eq!(news.last(), Some(&News::Lost("a response is too long")));
}

#[test]
fn any_answer_is_no_trouble() {
    let mut state = 1_u64;
    for _ in 0..300 {
        let mut octets = BytesMut::new();
        octets.extend_from_slice(b"* OK hi\r\n");
        for _ in 0..40 {
            // A small generator of our own: the same octets each run.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let words: [&[u8]; 8] = [
                b"c1 OK x\r\n",
                b"+ \r\n",
                b"* 1 FETCH (",
                b"{3}\r\n",
                b"abc",
                b")\r\n",
                b"\n",
                b"c2 NO ",
            ];
            let word = usize::try_from(state >> 61).unwrap_or_default();
            octets.extend_from_slice(words.get(word).copied().unwrap_or_default());
        }
        let script = format!(
            "C+ {}",
            String::from_utf8_lossy(&octets)
                .replace('\r', "\\r")
                .replace('\n', "\\n")
        );
        let requests = vec![
            Request::Command(Command::Idle),
            Request::Command(Command::Noop),
        ];
        let whole = converse(requests.clone(), &script, Cut::Lines);
        assert!(!whole.0.contains("endless"), "{}", whole.0);
        assert_eq!(
            converse(requests, &script, Cut::Every(1)).1,
            whole.1,
            "{script}"
        );
    }
}
