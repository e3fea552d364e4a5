//! Filter scripts put by programs nobody here wrote, and what becomes of letters then.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;

use interop::{Ended, Server, Talk, Tls, program, python_with};

const RULES: &str = "require \"fileinto\";\r\nif header :contains \"subject\" \"tea\" {\r\n  \
    fileinto \"Archive\";\r\n}\r\n";

#[test]
fn sievelib_keeps_scripts_and_letters_go_where_they_say() {
    let server = Server::start().unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/filter.py");
    let ca = server.authority().unwrap();
    let places = [
        ("managesieve", Tls::Starttls),
        ("imap", Tls::Implicit),
        ("smtp", Tls::Starttls),
    ];
    let places = places.map(|(protocol, tls)| server.address(protocol, tls).to_string());
    let mut words = vec![script, &ca];
    words.extend(places.iter().map(String::as_str));
    let ended = program("/usr/bin/python3", &words, server.folder(), "").unwrap();
    assert!(ended.well, "{}\n{}\n{}", ended.out, ended.err, server.log());
}

#[test]
fn managesieve_of_python_keeps_scripts() {
    let Some(python) = python_with(&["managesieve"]) else {
        return;
    };
    let server = Server::start().unwrap();
    server.add_account("bob@test.localhost", "secret").unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/keeper.py");
    let ca = server.authority().unwrap();
    let port = server.address("managesieve", Tls::Starttls).port();
    let words = [script, &ca, &port.to_string()];
    let python = python.display().to_string();
    let ended = program(&python, &words, server.folder(), "").unwrap();
    assert!(ended.well, "{}\n{}\n{}", ended.out, ended.err, server.log());
}

/// What KDE's editor was heard to say (docs/clients.md), to a server whose scripts are real.
#[test]
fn what_ksieve_editor_says_is_answered() {
    let server = Server::start().unwrap();
    let here = env!("CARGO_MANIFEST_DIR");
    let script = format!("{here}/tests/python/ksieve.py");
    let dialogue = format!("{here}/../managesieve/tests/dialogues/ksieve_editor.txt");
    let address = server.address("managesieve", Tls::Starttls).to_string();
    let ca = server.authority().unwrap();
    let words = [&*script, &address, &dialogue, &ca];
    let ended = program("python3", &words, server.folder(), "").unwrap();
    assert!(ended.well, "{}\n{}\n{}", ended.out, ended.err, server.log());
    assert_eq!(ended.out.trim(), "33");
}

/// Runs sieve-connect as ada, with its password on standard input.
fn sieve_connect(server: &Server, words: &[&str]) -> Ended {
    let address = server.address("managesieve", Tls::Starttls);
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let ca = server.authority().unwrap();
    let mut all = vec![
        "--nosrv",
        "--server",
        &host,
        "--port",
        &port,
        "--user",
        "ada@test.localhost",
        "--passwordfd",
        "0",
        "--tlscafile",
        &ca,
    ];
    all.extend(words);
    program("sieve-connect", &all, server.folder(), "secret\n").unwrap()
}

fn done(server: &Server, words: &[&str]) -> String {
    let ended = sieve_connect(server, words);
    assert!(
        ended.well,
        "{words:?}\n{}\n{}\n{}",
        ended.out,
        ended.err,
        server.log()
    );
    ended.out
}

#[test]
fn sieve_connect_keeps_scripts() {
    let server = Server::start().unwrap();
    let folder = server.folder();
    fs::write(folder.join("rules"), RULES).unwrap();
    fs::write(folder.join("wrong"), "kep;\r\n").unwrap();
    done(&server, &["--localsieve", "rules", "--checkscript"]);
    done(&server, &["--localsieve", "rules", "--upload"]);
    let wrong = sieve_connect(&server, &["--localsieve", "wrong", "--upload"]);
    let said = wrong.out + &wrong.err;
    assert!(said.contains("did you mean 'keep'?"), "{said}");
    done(&server, &["--remotesieve", "rules", "--activate"]);
    let listed = done(&server, &["--list"]);
    assert!(
        listed.contains("\"rules\" ACTIVE") && !listed.contains("wrong"),
        "{listed}"
    );
    let words = [
        "--remotesieve",
        "rules",
        "--localsieve",
        "back",
        "--download",
    ];
    done(&server, &words);
    assert_eq!(fs::read_to_string(folder.join("back")).unwrap(), RULES);
    done(&server, &["--deactivate"]);
    done(&server, &["--remotesieve", "rules", "--delete"]);
    let listed = done(&server, &["--list"]);
    assert!(!listed.contains("rules"), "{listed}");
}

/// The command line does the same, while the server runs and while it does not.
#[test]
fn the_command_line_keeps_scripts() {
    let mut server = Server::start().unwrap();
    let path = server.folder().join("rules.sieve");
    fs::write(&path, RULES).unwrap();
    let path = path.to_str().unwrap();
    let ada = "ada@test.localhost";
    for runs in [true, false] {
        if !runs {
            assert!(server.stop());
        }
        let sieve = |words: &[&str]| server.command(&[&["sieve"], words].concat(), "");
        let said = sieve(&["put", ada, path, "--activate"]).unwrap();
        let active = format!("rules runs for what comes to {ada} from now on.\n");
        assert_eq!(said, active);
        assert_eq!(sieve(&["get", ada, "rules"]).unwrap(), RULES);
        let listed = sieve(&["list", ada]).unwrap();
        assert_eq!(listed, format!("rules\t{} octets (active)\n", RULES.len()));
        let json = sieve(&["list", ada, "--json"]).unwrap();
        assert!(json.contains("\"active\":true"), "{json}");
        let refused = sieve(&["rm", ada, "rules"]).unwrap_err().to_string();
        assert!(
            refused.contains("This is the script that runs"),
            "{refused}"
        );
        let refused = server.command(&["sieve", "put", ada, "-", "--name", "x"], "kep;\n");
        let refused = refused.unwrap_err().to_string();
        assert!(
            refused.contains("line 1, column 1: unknown command"),
            "{refused}"
        );
        sieve(&["rename", ada, "rules", "old rules"]).unwrap();
        sieve(&["deactivate", ada]).unwrap();
        sieve(&["rm", ada, "old rules"]).unwrap();
        assert_eq!(sieve(&["list", ada]).unwrap(), "");
    }
}

/// A script kept before the server was killed is there after it.
#[test]
fn an_active_script_outlives_a_server_that_is_killed() {
    let mut server = Server::start().unwrap();
    let path = server.folder().join("rules.sieve");
    fs::write(&path, RULES).unwrap();
    let words = [
        "sieve",
        "put",
        "ada@test.localhost",
        path.to_str().unwrap(),
        "--activate",
    ];
    server.command(&words, "").unwrap();
    server.kill();
    server.run().unwrap();
    let (mut talk, _) = Talk::open(server.address("smtp", Tls::Starttls)).unwrap();
    talk.smtp("EHLO test.localhost").unwrap();
    let letter = "Subject: some tea\r\n\r\nHi\r\n";
    let reply = talk.deliver("guest@elsewhere.example", &["ada@test.localhost"], letter);
    assert!(reply.unwrap().starts_with("250"));
    let (mut imap, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
    imap.imap_login("ada@test.localhost", "secret").unwrap();
    let said = imap.imap("STATUS Archive (MESSAGES)").unwrap().concat();
    assert!(said.contains("MESSAGES 1"), "{said}");
}

/// Files of the house, and the configuration that names them.
fn house_scripts(folder: &std::path::Path) -> String {
    let path = |name: &str| folder.join(name).display().to_string();
    fs::create_dir(folder.join("global")).unwrap();
    for (name, text) in [
        (
            "global/lists.sieve",
            "require \"editheader\";\naddheader \"X-List\" \"1\";\n",
        ),
        (
            "spam.sieve",
            "require [\"fileinto\", \"spamtest\", \"relational\", \"extlists\", \"envelope\", \
             \"comparator-i;ascii-numeric\"];\n\
             if allof (spamtest :value \"ge\" :comparator \"i;ascii-numeric\" \"5\",\n\
             not envelope :list \"from\" \"tag:test.localhost,2026:friends\") {\n\
             fileinto \"Junk\";\n}\n",
        ),
        (
            "rest.sieve",
            "require \"fileinto\";\nfileinto \"Archive\";\n",
        ),
        ("friends", "# of the house\n@friends.example\n"),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
    format!(
        "[sieve]\nbefore = [\"{}\"]\nafter = [\"{}\"]\nglobal = \"{}\"\n\
         trusted = [\"127.0.0.0/8\"]\n[sieve.spamtest]\nheader = \"X-Spam-Level\"\n\
         form = \"stars\"\n[[sieve.list]]\nname = \"tag:test.localhost,2026:friends\"\n\
         file = \"{}\"\n",
        path("spam.sieve"),
        path("rest.sieve"),
        path("global"),
        path("friends"),
    )
}

/// Scripts of the house run around those of its accounts, and what is told of a letter names them.
#[test]
fn scripts_of_the_house_run_before_and_after() {
    let folder = tempfile::TempDir::new().unwrap();
    let server = Server::start_with(&house_scripts(folder.path())).unwrap();
    let own = "require \"include\";\ninclude :global \"lists\";\n";
    let ada = "ada@test.localhost";
    let words = ["sieve", "put", ada, "-", "--name", "own", "--activate"];
    server.command(&words, own).unwrap();
    let (mut smtp, _) = Talk::open(server.address("smtp", Tls::Starttls)).unwrap();
    smtp.smtp("EHLO filter.example").unwrap();
    for (from, subject) in [("x@spam.example", "one"), ("x@friends.example", "two")] {
        let message = format!("X-Spam-Level: *******\r\nSubject: {subject}\r\n\r\n");
        let said = smtp.deliver(from, &[ada], &message).unwrap();
        assert!(said.starts_with("250"), "{said}");
    }
    let told = server.command(&["why", ada], "").unwrap();
    assert!(told.contains("before:spam:4"), "{told}");
    assert!(told.contains("after:rest:2"), "{told}");
    let (mut imap, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
    imap.imap_login(ada, "secret").unwrap();
    imap.imap("SELECT Archive").unwrap();
    let fetch = "FETCH 1 BODY.PEEK[HEADER.FIELDS (Subject X-List)]";
    let header = imap.imap(fetch).unwrap().concat();
    assert!(
        header.contains("X-List: 1") && header.contains("two"),
        "{header}"
    );
    let status = imap.imap("STATUS Junk (MESSAGES)").unwrap().concat();
    assert!(status.contains("MESSAGES 1"), "{status}");
}

/// Scripts that would take for ever are ended at their limits, the log says which script, which
/// line and why, and the letter is in the inbox.
#[test]
fn scripts_without_an_end_lose_no_letter() {
    let server = Server::start().unwrap();
    let ada = "ada@test.localhost";
    let search = "if body :raw :regex \"(x+x+)+(x+x+)+(x|xx)*[a-w]y\" { discard; stop; }\r\n";
    let doubled = "set \"a\" \"${a}${a}\";\r\n".repeat(40);
    let glob = "if string :matches \"${a}\" \"*x*x*x*x*x*x*x*x*x*y\" { discard; }\r\n".repeat(400);
    let loops = "if header :mime :contains \"Subject\" [\"a\", \"b\"] { discard; }\r\n".repeat(80);
    let scripts = [
        (
            "searches",
            format!("require [\"body\", \"regex\"];\r\n{}", search.repeat(300)),
            "too many steps",
        ),
        (
            "grows",
            format!("require \"variables\";\r\nset \"a\" \"xxxxxxxx\";\r\n{doubled}{glob}"),
            "too many steps",
        ),
        (
            "loops",
            format!("require [\"foreverypart\", \"mime\"];\r\nforeverypart {{\r\n{loops}}}\r\n"),
            "too many steps",
        ),
        (
            "includes",
            "require \"include\";\r\ninclude \"includes\";\r\ninclude \"includes\";\r\ndiscard;\r\n"
                .to_owned(),
            "include",
        ),
    ];
    let part = "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n";
    let letter = format!(
        "Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{}{}\r\n{}--b--\r\n",
        part,
        ("x".repeat(900) + "\r\n").repeat(110),
        part.repeat(1500),
    );
    for (at, (name, text, why)) in scripts.into_iter().enumerate() {
        let words = ["sieve", "put", ada, "-", "--name", name, "--activate"];
        server.command(&words, &text).unwrap();
        let (mut lmtp, _) = Talk::open(server.address("lmtp", Tls::None)).unwrap();
        lmtp.smtp("LHLO test.localhost").unwrap();
        let reply = lmtp
            .deliver("guest@elsewhere.example", &[ada], &letter)
            .unwrap();
        assert!(reply.starts_with("250"), "{name}: {reply}");
        let (mut imap, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
        imap.imap_login(ada, "secret").unwrap();
        let said = imap.imap("STATUS INBOX (MESSAGES)").unwrap().concat();
        let expected = format!("(MESSAGES {})", at + 1);
        assert!(said.contains(&expected), "{name}: {said}\n{}", server.log());
        let log = server.log();
        let told = log.lines().find(|line| {
            line.contains("a script failed; the message is kept")
                && line.contains(&format!("{name}:"))
        });
        let told = told.unwrap_or_else(|| panic!("{name}: {log}"));
        assert!(told.contains(why), "{told}");
    }
}
