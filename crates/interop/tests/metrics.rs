//! The page for programs that watch, read by curl and by Prometheus' own parser.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;

use interop::{Server, Talk, Tls, program};

/// Reads what curl has fetched as Prometheus does: `name{label=value} figure` a line.
const PARSE: &str = r#"
import sys
from prometheus_client.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    assert family.documentation and family.type in ("counter", "gauge"), family
    for sample in family.samples:
        labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
        print(f"{sample.name}{{{labels}}} {sample.value:.0f}")
"#;

fn figures(server: &Server) -> BTreeMap<String, u64> {
    let url = format!("http://{}/metrics", server.address("metrics", Tls::None));
    let page = program("curl", &["-sS", "--fail", &url], server.folder(), "").unwrap();
    assert!(page.well, "{}", page.err);
    let read = program("python3", &["-c", PARSE], server.folder(), &page.out).unwrap();
    assert!(read.well, "{}\n{}", read.err, page.out);
    let lines = read.out.lines().map(|line| {
        let (name, figure) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), figure.parse().unwrap())
    });
    lines.collect()
}

#[test]
fn what_has_happened_is_counted() {
    let more = "[limits]\nmessage_size = \"2K\"\n\
                [[listener]]\nprotocol = \"metrics\"\naddress = \"127.0.0.1:0\"\n";
    let server = Server::start_with(more).unwrap();
    let before = figures(&server);
    let (mut smtp, _) = Talk::open(server.address("smtp", Tls::Starttls)).unwrap();
    smtp.smtp("EHLO test.localhost").unwrap();
    let both = ["ada@test.localhost", "alan@test.localhost"];
    let letter = "Subject: Counted\r\n\r\nHello.";
    let answer = smtp.deliver("eve@elsewhere.example", &both, letter);
    assert!(answer.unwrap().starts_with("250"));
    let large = "long line\r\n".repeat(500);
    let answer = smtp.deliver("eve@elsewhere.example", &both[..1], &large);
    assert!(answer.unwrap().starts_with("552"));
    let (mut imap, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
    imap.imap("LOGIN ada@test.localhost wrong").unwrap();
    imap.imap_login("ada@test.localhost", "secret").unwrap();
    let after = figures(&server);
    let risen = |name: &str| after[name] - before[name];
    for (name, count) in [
        ("caramel_letters_total{result=accepted}", 1),
        ("caramel_events_total{event=filed}", 2),
        ("caramel_events_total{event=queued}", 0),
        ("caramel_attempts_total{result=delivered}", 0),
        ("caramel_logins_total{result=succeeded}", 1),
        ("caramel_logins_total{result=failed}", 1),
        ("caramel_connections{protocol=imap}", 1),
        ("caramel_connections{protocol=smtp}", 1),
    ] {
        assert_eq!(risen(name), count, "{name}: {after:?}");
    }
    assert_eq!(after["caramel_accounts{}"], 2);
    assert!(risen("caramel_store_commits_total{}") > 0, "{after:?}");
    assert!(risen("caramel_store_syncs_total{}") > 0, "{after:?}");
}

#[test]
fn nothing_else_is_there_and_nobody_else_is_told() {
    let more = "[[listener]]\nprotocol = \"metrics\"\naddress = \"127.0.0.1:0\"\n";
    let server = Server::start_with(more).unwrap();
    let address = server.address("metrics", Tls::None);
    let code = |words: &[&str]| {
        let url = format!("http://{address}/{}", words[0]);
        let more = [
            &["-s", "-o", "/dev/null", "-w", "%{http_code}", &url],
            &words[1..],
        ]
        .concat();
        program("curl", &more, server.folder(), "").unwrap().out
    };
    assert_eq!(code(&["metrics"]), "200");
    assert_eq!(code(&["metrics", "--head"]), "200");
    assert_eq!(code(&[""]), "404");
    assert_eq!(code(&["metrics", "-d", "x=y"]), "405");
    let text = format!("{more}[limits]\n").replace("127.0.0.1:0", "0.0.0.0:9320");
    let refused = Server::start_with(&text).unwrap_err().to_string();
    assert!(refused.contains("to this machine alone"), "{refused}");
}
