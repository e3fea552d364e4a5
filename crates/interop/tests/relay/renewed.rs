//! Policies of other domains are fetched again, beside the work, and what goes wrong with that is
//! told: by an HTTPS server in Python that has them, and by a Postfix that takes the letters.

use super::papers::{Papers, PolicyHost};
use super::sink::wait;
use super::tls::{addresses, hosts};
use super::{Town, town};

/// Domains whose policies have something wrong with them.
const WRONG: [&str; 3] = ["missing", "broken", "strange"];

fn zone() -> String {
    let mut lines = addresses();
    for domain in [&["kept"][..], &WRONG].concat() {
        lines.extend([
            format!("{domain}.example MX 10 good.mail.example"),
            format!("_mta-sts.{domain}.example TXT \"v=STSv1; id=1;\""),
            format!("mta-sts.{domain}.example A 127.0.0.1"),
        ]);
    }
    // Only a test, of hosts with other names.
    lines.extend([
        "unnamed.example MX 10 good.mail.example".to_owned(),
        "_mta-sts.unnamed.example TXT \"v=STSv1; id=1;\"".to_owned(),
        "mta-sts.unnamed.example A 127.0.0.1".to_owned(),
    ]);
    lines.join("\n")
}

fn text(mode: &str, mx: &str) -> String {
    format!("version: STSv1\r\nmode: {mode}\r\nmx: {mx}\r\nmax_age: 604800\r\n")
}

/// What is known of the policy that is kept.
fn kept(town: &Town) -> String {
    town.server.command(&["tls", "policies"], "").unwrap()
}

#[test]
fn policies_are_fetched_again_beside_the_work() {
    let names = ["kept", "missing", "broken", "unnamed"];
    let names = names.map(|name| format!("mta-sts.{name}.example"));
    let papers = Papers::make(&names);
    let policies = PolicyHost::start(&papers);
    policies.publish("mta-sts.kept.example", &text("testing", "*.mail.example"));
    policies.publish(
        "mta-sts.unnamed.example",
        &text("testing", "*.else.example"),
    );
    policies.publish("mta-sts.broken.example", "version: STSv1\r\nmode: none\r\n");
    let (postfix, port) = hosts(&papers, "");
    let more = format!(
        "policy_port = {}\nauthorities = \"{}\"\ntls_reports = \"tls@test.localhost\"\n",
        policies.port,
        papers.path("ca.pem"),
    );
    let mut town = town(&zone(), port, &more);
    let to = ["kept", "missing", "broken", "strange", "unnamed"];
    let to = to.map(|domain| format!("x@{domain}.example"));
    town.send(&to.each_ref().map(String::as_str), "first", &[]);
    wait(|| (postfix.letters().len() == 5).then_some(()));
    town.is_done();
    assert!(town.server.stop());
    town.has_counted(&[
        "kept.example sts: 1 sessions went well, 0 failed\n",
        "missing.example no-policy-found: 1 sessions went well, 0 failed\n",
        "missing.example sts: 0 sessions went well, 1 failed\n    \
             1 sts-policy-fetch-error: the answer is 404 Not Found\n",
        "broken.example sts: 0 sessions went well, 1 failed\n    \
             1 sts-policy-invalid: its policy: ",
        "strange.example sts: 0 sessions went well, 1 failed\n    1 sts-webpki-invalid: ",
        "unnamed.example sts: 0 sessions went well, 1 failed\n    1 validation-failure at \
             good.mail.example at 127.0.0.2: the domain's policy does not name it\n",
    ]);
    let before = kept(&town);
    assert!(before.contains("kept.example testing until "), "{before}");
    assert!(before.contains("\n    fetched ") && before.contains(", again "));

    // The record stays as it is, and no letter goes there.
    town.server.run().unwrap();
    policies.publish("mta-sts.kept.example", &text("enforce", "*.mail.example"));
    town.server.command(&["tls", "refresh"], "").unwrap();
    wait(|| {
        kept(&town)
            .contains("kept.example enforce until ")
            .then_some(())
    });
    let before = kept(&town);
    policies.publish("mta-sts.kept.example.how", "500");
    town.server.command(&["tls", "refresh"], "").unwrap();
    let after = wait(|| Some(kept(&town)).filter(|kept| kept.contains("\n    failed ")));
    // It holds on, for as long as it would have.
    assert!(
        after.contains(": the answer is 500 Internal Server Error\n"),
        "{after}"
    );
    let first = |kept: &str| kept.lines().next().unwrap().to_owned();
    assert_eq!(first(&after), first(&before));
    assert!(town.server.stop());
    town.has_counted(&["1 sts-policy-fetch-error: the answer is 500 Internal Server Error\n"]);
    assert_eq!(first(&kept(&town)), first(&before));
}
