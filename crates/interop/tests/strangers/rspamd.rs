//! rspamd is asked about letters by HTTP: Debian's, with rules of our own; and one made by hand
//! that writes down what it was asked, and answers what a test wants.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use interop::{Rspamd, Server};

use super::{last, swaks};

/// What every rspamd knows as spam, so that it can be tried.
const GTUBE: &str = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

/// What is done with a letter is what its field `X-Wish` says; what was told of it stands in it.
const RULES: &str = r#"
local function wish(task) return task:get_header('X-Wish') or '' end
rspamd_config:register_symbol({
  name = 'WISHED', type = 'prefilter', score = 0.0,
  callback = function(task)
    local words = { soft = 'soft reject', grey = 'greylist', subject = 'rewrite subject' }
    local action = words[wish(task)]
    if wish(task) == 'subject' then task:set_metric_subject('*** SPAM *** Té') end
    if action then task:set_pre_result(action, 'come back later', 'test') end
  end
})
rspamd_config:register_symbol({
  name = 'HEAVY', type = 'normal', score = 8.0, group = 'test',
  callback = function(task) if wish(task) == 'heavy' then return true, 1.0, 'why' end end
})
rspamd_config:register_symbol({
  name = 'LIGHT', type = 'normal', score = 4.0, group = 'test',
  callback = function(task) return wish(task) == 'light' end
})
rspamd_config:register_symbol({
  name = 'TOLD', type = 'postfilter', score = 0.0,
  callback = function(task)
    local to = {}
    for _, one in ipairs(task:get_recipients('smtp')) do table.insert(to, one.addr) end
    local told = {
      task:get_from_ip():to_string(), task:get_helo(), task:get_from('smtp')[1].addr,
      table.concat(to, '+'), tostring(task:get_user()),
      tostring(task:get_request_header('Deliver-To')),
      tostring(task:get_request_header('MTA-Name')),
      tostring(task:get_request_header('TLS-Version')),
    }
    task:set_milter_reply({
      add_headers = {
        ['X-Told'] = table.concat(told, ' '),
        ['X-First'] = { value = 'one\nX-Evil: two', order = 0 },
      },
      remove_headers = { ['X-Forged'] = 0 },
    })
  end
})
"#;

const TO_ADA: [&str; 2] = ["--to", "ada@test.localhost"];

fn letter(wish: &str, text: &str) -> String {
    format!(
        "From: Bob <bob@bad.example>\r\nTo: ada@test.localhost\r\nSubject: Tea\r\n\
         X-Forged: yes\r\nX-Wish: {wish}\r\nX-Forged: no\r\n\
         Date: Tue, 24 Nov 2026 08:00:00 +0000\r\nMessage-ID: <1@bad.example>\r\n\r\n{text}\r\n"
    )
}

/// Sends a letter from an address that is outside; what the server said last.
fn sends(server: &Server, letter: &str, words: &[&str]) -> String {
    let file = server.folder().join("letter");
    fs::write(&file, letter).unwrap();
    let data = format!("@{}", file.display());
    swaks(server, "127.0.4.1", &[words, &["--data", &data]].concat())
}

fn setting(url: &str, more: &str) -> String {
    format!(
        "[trust]\nunchecked = [\"127.0.0.1\"]\ncheck = false\n\
         [dns]\nservers = [\"127.0.0.1:1\"]\ntimeout = \"1s\"\n\
         [[trust.milter]]\nname = \"spam\"\nurl = \"{url}\"\n{more}\n"
    )
}

#[test]
fn rspamd_judges_letters() {
    let Some(rspamd) = Rspamd::start(RULES).unwrap() else {
        return;
    };
    let url = format!("http://{}", rspamd.address());
    let server = Server::start_with(&setting(&url, "")).unwrap();
    // A good one passes, and has what rspamd wants in it.
    let said = sends(&server, &letter("", "At five?"), &TO_ADA);
    assert!(said.starts_with("250 2.0.0 "), "{said}\n{}", rspamd.log());
    let stored = last(&server, "INBOX");
    for expected in [
        "X-First: one X-Evil: two From: Bob <bob@bad.example>",
        "X-Told: 127.0.4.1 client.test bob@bad.example ada@test.localhost nil ada@test.localhost",
    ] {
        assert!(stored.contains(expected), "{expected}: {stored}");
    }
    assert!(!stored.contains("X-Forged"), "{stored}");
    // What it says of the others is done.
    for (wish, text, expected) in [
        ("", GTUBE, "550 5.7.1 Gtube pattern"),
        ("soft", "At five?", "451 4.7.1 come back later"),
        ("grey", "At five?", "450 4.7.1 We do not know you yet; "),
    ] {
        let said = sends(&server, &letter(wish, text), &TO_ADA);
        assert!(said.starts_with(expected), "{wish}: {said}");
    }
    let log = server.log();
    assert!(
        log.contains("the filter spam: reject, 15 of 15 (GTUBE 0)"),
        "{log}"
    );
    let to_both = ["--to", "alan@test.localhost,ada@test.localhost"];
    let said = sends(&server, &letter("subject", "At five?"), &to_both);
    assert!(said.starts_with("250 2.0.0 "), "{said}");
    let stored = last(&server, "INBOX");
    assert!(
        stored.contains("Subject: =?UTF-8?Q?=2A=2A=2A_SPAM_=2A=2A=2A_T=C3=A9?="),
        "{stored}"
    );
}

#[test]
fn what_rspamd_takes_for_junk_is_filed_as_such() {
    let Some(rspamd) = Rspamd::start(RULES).unwrap() else {
        return;
    };
    let url = format!("http://{}/", rspamd.address());
    let server = Server::start_with(&setting(&url, "")).unwrap();
    let said = sends(&server, &letter("heavy", "At five?"), &TO_ADA);
    assert!(said.starts_with("250 2.0.0 "), "{said}\n{}", rspamd.log());
    assert_eq!(last(&server, "INBOX"), "");
    let stored = last(&server, "Junk");
    assert!(stored.contains("X-Spam: Yes"), "{stored}");
    let why = server.command(&["why", "ada@test.localhost"], "").unwrap();
    for expected in [
        "the filter spam says add header, 8 of 15 (HEAVY 8",
        "the filter spam has added X-First, added X-Spam, added X-Told, removed X-Forged, removed \
         X-Spam, set it apart (add header)",
    ] {
        assert!(why.contains(expected), "{expected}: {why}");
    }
    // A script is told how bad it is: 4 of 15 is 3 of 10.
    let script = "require [\"spamtest\", \"fileinto\", \"mailbox\"];\n\
        if spamtest :is \"3\" { fileinto :create \"Weighed\"; }\n";
    let words = [
        "sieve",
        "put",
        "ada@test.localhost",
        "-",
        "--name",
        "own",
        "--activate",
    ];
    server.command(&words, script).unwrap();
    let said = sends(&server, &letter("light", "At six?"), &TO_ADA);
    assert!(said.starts_with("250 2.0.0 "), "{said}");
    let stored = last(&server, "Weighed");
    assert!(stored.contains("At six?"), "{stored}\n{}", server.log());
    // It ends.
    drop(rspamd);
    let away = "451 4.7.1 A filter of ours does not answer; please try again later";
    assert_eq!(sends(&server, &letter("", "At five?"), &TO_ADA), away);
    assert!(
        server.log().contains("a filter is away"),
        "{}",
        server.log()
    );
    let spared = Server::start_with(&setting(&url, "when_away = \"accept\"")).unwrap();
    let said = sends(&spared, &letter("", "At five?"), &TO_ADA);
    assert!(said.starts_with("250 2.0.0 "), "{said}");
}

/// Answers each question with the next of these, and tells what it was asked.
fn by_hand(listener: UnixListener, answers: Vec<Vec<u8>>) -> Receiver<String> {
    let (tell, told) = channel();
    thread::spawn(move || {
        for answer in answers {
            let (mut socket, _) = listener.accept().unwrap();
            tell.send(question(&mut socket)).unwrap();
            // It may have gone: who sends too much is not read to the end.
            drop(socket.write_all(&answer));
        }
    });
    told
}

fn question(socket: &mut UnixStream) -> String {
    let (mut asked, mut octets) = (Vec::new(), [0; 4096]);
    loop {
        let count = socket.read(&mut octets).unwrap();
        asked.extend_from_slice(octets.get(..count).unwrap());
        let text = String::from_utf8_lossy(&asked).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return text;
        }
    }
}

fn json(text: &str) -> Vec<u8> {
    let length = text.len();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{text}").into_bytes()
}

#[test]
fn what_is_asked_and_answers_that_are_none() {
    let folder = tempfile::TempDir::new().unwrap();
    let (path, password) = (folder.path().join("socket"), folder.path().join("password"));
    fs::write(&password, "open sesame\n").unwrap();
    let long = "x".repeat(600 * 1024);
    let answers = [
        json(r#"{"action":"reject","milter":{"reject":"discard"}}"#),
        json(r#"{"action":"no action","dkim-signature":"v=1;\r\n\tb=x"}"#),
        json(r#"{"error":"no"}"#),
        json("no"),
        json(&format!(r#"{{"action":"no action","urls":"{long}"}}"#)),
        b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec(),
        b"220 mx.example\r\n".to_vec(),
        Vec::new(),
    ];
    let asked = by_hand(UnixListener::bind(&path).unwrap(), answers.to_vec());
    let url = format!("unix:{}", path.display());
    let more = format!("password_file = \"{}\"\n", password.display());
    let server = Server::start_with(&setting(&url, &more)).unwrap();
    let to_both = ["--to", "alan@test.localhost,ada@test.localhost", "--tls"];
    let said = sends(&server, &letter("", "At five?"), &to_both);
    assert_eq!(said, "250 2.0.0 Taken");
    let question = asked.recv().unwrap();
    for expected in [
        "POST /checkv2 HTTP/1.1\r\n",
        "\r\nip: 127.0.4.1\r\n",
        "\r\nhelo: client.test\r\n",
        "\r\nfrom: bob@bad.example\r\n",
        "\r\nrcpt: alan@test.localhost\r\nrcpt: ada@test.localhost\r\n",
        "\r\npassword: open sesame\r\n",
        "\r\ntls-version: TLS1.3\r\n",
        "\r\nqueue-id: ",
        "\r\nmta-name: ",
        "\r\n\r\nFrom: Bob <bob@bad.example>\r\nTo: ada@test.localhost\r\n",
    ] {
        assert!(question.contains(expected), "{expected}: {question}");
    }
    assert!(!question.contains("deliver-to"), "{question}");
    assert_eq!(last(&server, "INBOX"), "");
    let said = sends(&server, &letter("", "At five?"), &TO_ADA);
    assert!(said.starts_with("250 2.0.0 Taken as "), "{said}");
    let stored = last(&server, "INBOX");
    assert!(
        stored.contains("DKIM-Signature: v=1; b=x From: Bob"),
        "{stored}"
    );
    // Whatever is no answer is as good as none.
    let away = "451 4.7.1 A filter of ours does not answer; please try again later";
    for answer in &answers[2..] {
        let said = sends(&server, &letter("", "At five?"), &TO_ADA);
        assert_eq!(said, away, "{:.60}", String::from_utf8_lossy(answer));
    }
    assert!(!server.log().contains("sesame"), "{}", server.log());
}
