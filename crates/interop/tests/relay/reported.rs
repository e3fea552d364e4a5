//! Reports about TLS: sent by mail to a Postfix and handed over to an HTTPS server in Python,
//! signed so that dkimpy believes it, and read by Python and by the command line.

use std::fs;

use interop::{Server, program};
use serde_json::Value;
use tempfile::TempDir;

use super::papers::{Papers, PolicyHost};
use super::sink::wait;
use super::tls::{addresses, hosts};
use super::{Town, town, words};

/// A key for `test.localhost`, in a folder with its record as `zone`.
fn key() -> TempDir {
    let folder = TempDir::new().unwrap();
    let words = "dkim key key.pem --type ed25519 --domain test.localhost --selector s1";
    let words: Vec<&str> = words.split(' ').collect();
    let binary = Server::binary();
    let made = program(binary.to_str().unwrap(), &words, folder.path(), "").unwrap();
    assert!(made.well, "{}", made.err);
    fs::write(folder.path().join("zone"), made.out).unwrap();
    folder
}

fn python(script: &str, words: &[&str], folder: &TempDir, input: &str) -> String {
    let script = format!("{}/tests/python/{script}", env!("CARGO_MANIFEST_DIR"));
    let words = [&[script.as_str()], words].concat();
    let ended = program("python3", &words, folder.path(), input).unwrap();
    assert!(ended.well, "{}\n{input}", ended.err);
    ended.out
}

fn failures(policy: &Value) -> Vec<&str> {
    let all = policy.get("failure-details").and_then(Value::as_array);
    let kinds = all.into_iter().flatten();
    kinds.map(|one| words(one, "result-type")).collect()
}

fn zone() -> String {
    let rua = "rua=mailto:x@reports.example";
    let mut lines = addresses();
    lines.extend([
        "bad.example MX 10 expired.mail.example".to_owned(),
        "_mta-sts.bad.example TXT \"v=STSv1; id=1;\"".to_owned(),
        "mta-sts.bad.example A 127.0.0.1".to_owned(),
        format!("_smtp._tls.bad.example TXT \"v=TLSRPTv1; {rua},https://tls.example/v1\""),
        "tls.example A 127.0.0.1".to_owned(),
        "clear.example MX 10 plain.mail.example".to_owned(),
        format!("_smtp._tls.clear.example TXT \"v=TLSRPTv1;{rua}\""),
        "silent.example MX 10 plain.mail.example".to_owned(),
        "reports.example MX 10 good.mail.example".to_owned(),
    ]);
    lines.join("\n")
}

/// What was counted is on the disk, where no server runs.
fn is_counted(town: &Town) {
    let counted = town.server.command(&["tls", "results"], "").unwrap();
    for part in [
        "bad.example sts: 0 sessions went well, 1 failed",
        "1 certificate-expired at expired.mail.example at 127.0.0.3: its certificate has expired",
        "clear.example no-policy-found: 0 sessions went well, 1 failed",
    ] {
        let log = town.server.log();
        assert!(counted.contains(part), "{part}: {counted}\n{log}");
    }
    let kept = town.server.command(&["tls", "policies"], "").unwrap();
    let policy = kept.contains("bad.example testing until ");
    assert!(policy && kept.contains("*.mail.example"), "{kept}");
}

/// A report about the domain whose certificate has run out: signed, and read by others.
fn is_right(letter: &str, key: &TempDir, town: &Town) {
    let read = python("tlsrpt.py", &[], key, letter);
    let read: Value = serde_json::from_str(&read).unwrap();
    assert_eq!(words(&read, "type"), "multipart/report");
    assert_eq!(words(&read, "report-type"), "tlsrpt");
    assert_eq!(words(&read, "submitter"), "test.localhost");
    assert_eq!(read.get("defects"), Some(&serde_json::json!([])));
    let policy = read.pointer("/report/policies/0").unwrap();
    let of = policy.get("policy").unwrap();
    assert_eq!(words(of, "policy-type"), "sts");
    assert_eq!(words(of, "policy-domain"), "bad.example");
    assert_eq!(failures(policy), ["certificate-expired"]);
    // dkimpy reads lines as they travel.
    let travelled = letter.replace('\n', "\r\n");
    let (_, signed) = travelled.split_once("DKIM-Signature: ").unwrap();
    let signed = format!("DKIM-Signature: {signed}");
    let verdict = python("signatures.py", &["verify", "zone"], key, &signed);
    assert_eq!(verdict.trim(), "pass", "{signed}");
    let zone = key.path().join("zone").display().to_string();
    let words = ["tls", "report", "--zone", &zone, "-"];
    let shown = town.server.command(&words, letter).unwrap();
    for part in [
        "from test.localhost (tls@test.localhost), ",
        "signed by test.localhost (key s1)\n",
        "bad.example sts: 0 sessions went well, 1 failed",
        "1 certificate-expired at expired.mail.example",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
    let changed = letter.replace("bad.example", "mad.example");
    let shown = town.server.command(&words, &changed).unwrap();
    assert!(shown.contains("  unsigned, so anybody "), "{shown}");
    let bare = letter.replace("DKIM-Signature:", "X-Other:");
    let shown = town.server.command(&words, &bare).unwrap();
    assert!(shown.contains(": it has no signature\n"), "{shown}");
}

/// Nobody counts the sessions that carry reports.
fn reports_are_not_told_of(town: &mut Town) {
    assert!(town.server.stop());
    let counted = town.server.command(&["tls", "results"], "").unwrap();
    assert!(!counted.contains("reports.example"), "{counted}");
}

#[test]
fn domains_are_told_what_came_of_their_tls() {
    let papers = Papers::make(&["mta-sts.bad.example".to_owned(), "tls.example".to_owned()]);
    let policies = PolicyHost::start(&papers);
    let text = "version: STSv1\r\nmode: testing\r\nmx: *.mail.example\r\nmax_age: 86400\r\n";
    policies.publish("mta-sts.bad.example", text);
    let (postfix, port) = hosts(&papers, "");
    let key = key();
    let path = key.path().join("key.pem");
    let more = format!(
        "policy_port = {}\nauthorities = \"{}\"\ntls_reports = \"tls@test.localhost\"\n\
         [[dkim]]\ndomain = \"test.localhost\"\nselector = \"s1\"\nkey = \"{}\"\n",
        policies.port,
        papers.path("ca.pem"),
        path.display()
    );
    let mut town = town(&zone(), port, &more);
    let to = ["x@bad.example", "x@clear.example", "x@silent.example"];
    town.send(&to, "counted", &[]);
    wait(|| (postfix.letters().len() == 3).then_some(()));
    town.is_done();
    assert!(town.server.stop());
    is_counted(&town);
    town.server.run().unwrap();
    town.server.command(&["tls", "send"], "").unwrap();
    let letters = wait(|| {
        let letters = postfix.letters().into_iter();
        let reports: Vec<String> = letters
            .filter(|one| one.contains("TLS-Report-Domain: "))
            .collect();
        (reports.len() == 2).then_some(reports)
    });
    let about = |domain: &str| {
        let wanted = format!("TLS-Report-Domain: {domain}\n");
        letters.iter().find(|one| one.contains(&wanted)).unwrap()
    };
    is_right(about("bad.example"), &key, &town);
    let read = python("tlsrpt.py", &[], &key, about("clear.example"));
    let read: Value = serde_json::from_str(&read).unwrap();
    let kinds = failures(&read["report"]["policies"][0]);
    assert_eq!(kinds, ["starttls-not-supported"]);
    // The first of them by HTTPS as well.
    let posted = wait(|| Some(policies.read("tls.example.posted")).filter(|one| !one.is_empty()));
    assert!(posted.starts_with(&[0x1f, 0x8b]));
    let asked = policies.asked();
    assert!(asked.contains("POST tls.example /v1\n"), "{asked}");
    // What was reported, and what nobody wants to hear of, is forgotten.
    wait(|| {
        let counted = town.server.command(&["tls", "results"], "").unwrap();
        let is_gone = |name: &&str| !counted.contains(&format!(" {name}.example\n"));
        let all = ["bad", "clear", "silent"].iter().all(is_gone);
        all.then_some(())
    });
    reports_are_not_told_of(&mut town);
}
