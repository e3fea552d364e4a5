//! What goes wrong is told: what, why, and what to do next.

use interop::Server;

use super::{ADA, count_here, count_there, dovecot, fill, on_demand};

fn refused(server: &Server, command: &str, name: &str) -> String {
    let output = server.output(&["fetch", command, name], "").unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn wrong_certificates_and_passwords_are_told_and_nothing_is_lost() {
    let dovecot = dovecot();
    let other = format!("sha256:{}", "ab".repeat(32));
    let bundle = "/etc/ssl/certs/ca-certificates.crt";
    let text = [
        on_demand(&dovecot, "right", "imaps", "keep = false"),
        on_demand(
            &dovecot,
            "other",
            "imaps",
            &format!("fingerprint = \"{other}\""),
        ),
        on_demand(&dovecot, "unknown", "pop3s", &format!("ca = \"{bundle}\"")),
        on_demand(
            &dovecot,
            "password",
            "pop3s",
            "password_cmd = \"echo wrong\"",
        ),
        on_demand(
            &dovecot,
            "imap-password",
            "imap",
            "password_cmd = \"echo wrong\"",
        ),
        on_demand(
            &dovecot,
            "command",
            "imaps",
            "password_cmd = \"echo locked >&2; exit 3\"",
        ),
    ];
    let server = Server::start_with(&text.concat()).unwrap();
    fill(&server, &dovecot, "INBOX", 0, 5);
    for (name, what) in [
        ("other", "127.0.0.1 does not prove that it is 127.0.0.1"),
        ("unknown", "127.0.0.1 does not prove that it is 127.0.0.1"),
        (
            "password",
            "127.0.0.1 does not take the name or the password of ada",
        ),
        (
            "imap-password",
            "127.0.0.1 does not take the name or the password of ada",
        ),
        ("command", "`echo locked >&2; exit 3` tells no password"),
    ] {
        for command in ["check", "run"] {
            let said = refused(&server, command, name);
            assert!(said.contains(&format!("caramel: {what}")), "{name}: {said}");
            assert!(
                said.contains("why:") && said.contains("next:"),
                "{name}: {said}"
            );
        }
    }
    let said = server.command(&["fetch", "run", "right"], "").unwrap();
    assert!(said.starts_with("right: 5 messages"), "{said}");
    let said = refused(&server, "check", "command");
    assert!(said.contains("why:  exit status: 3 locked"), "{said}");
    let told = server
        .command(&["fetch", "status", "password"], "")
        .unwrap();
    assert!(told.contains("trouble: 127.0.0.1 does not take"), "{told}");
}

/// What is said of an unknown certificate names it: then it is known.
#[test]
fn a_certificate_that_nobody_vouches_for_is_known_by_its_fingerprint() {
    let dovecot = dovecot();
    let bundle = "ca = \"/etc/ssl/certs/ca-certificates.crt\"";
    let mut server = Server::start_with(&on_demand(&dovecot, "old", "pop3s", bundle)).unwrap();
    let said = refused(&server, "check", "old");
    let digits = said.split("sha256:").nth(1).unwrap().get(..64).unwrap();
    let known = format!("fingerprint = \"sha256:{digits}\"");
    assert!(server.stop());
    let text = std::fs::read_to_string(server.config()).unwrap();
    std::fs::write(server.config(), text.replace(bundle, &known)).unwrap();
    server.run().unwrap();
    let said = server.command(&["fetch", "check", "old"], "").unwrap();
    assert!(said.contains("INBOX: 0 messages"), "{said}");
}

#[test]
fn where_there_is_no_room_the_rest_waits_at_the_source() {
    let dovecot = dovecot();
    for door in ["imaps", "pop3s"] {
        let text = on_demand(&dovecot, "old", door, "keep = false\nsieve = false");
        let server = Server::start_with(&text).unwrap();
        fill(&server, &dovecot, "INBOX", 0, 30);
        server
            .command(&["account", "quota", ADA, "--messages", "12"], "")
            .unwrap();
        let said = refused(&server, "run", "old");
        assert!(
            said.contains(&format!("there is no room for more in {ADA}")),
            "{said}"
        );
        assert!(
            said.contains(&format!("next: caramel account quota {ADA}")),
            "{said}"
        );
        assert_eq!(count_here(&server, "INBOX"), "12");
        server
            .command(&["account", "quota", ADA, "--none"], "")
            .unwrap();
        let said = server.command(&["fetch", "run"], "").unwrap();
        assert!(said.starts_with("old: 18 messages"), "{said}");
        assert_eq!(count_here(&server, "INBOX"), "30");
        assert_eq!(count_there(&server, &dovecot, "INBOX"), "0");
    }
}

#[test]
fn nobody_there_is_told_and_passes() {
    let mut dovecot = dovecot();
    let server = Server::start_with(&on_demand(&dovecot, "old", "imaps", "")).unwrap();
    fill(&server, &dovecot, "INBOX", 0, 5);
    dovecot.stop();
    let said = refused(&server, "run", "old");
    let port = dovecot.port("imaps").unwrap();
    assert!(
        said.contains(&format!("127.0.0.1:{port} cannot be reached")),
        "{said}"
    );
    dovecot.run().unwrap();
    let said = server.command(&["fetch", "run", "old"], "").unwrap();
    assert!(said.starts_with("old: 5 messages"), "{said}");
}
