//! Lists in DNS are asked about a client's address and a sender's domain.

use interop::{NameServer, Server};

use super::{last, swaks};

const ZONE: &str = "5.0.0.127.block.example A 127.0.0.2\n\
    5.0.0.127.block.example TXT \"see https://block.example/5\"\n\
    6.0.0.127.block.example A 127.0.0.4\n\
    7.0.0.127.block.example A 127.0.0.2\n\
    7.0.0.127.allow.example A 127.0.10.3\n\
    7.0.0.127.allow.example TXT \"well known\"\n\
    bad.example.names.example A 127.0.1.2\n\
    8.0.0.127.dead.example A 127.0.0.2\n\
    1.0.0.127.dead.example A 127.0.0.2\n\
    8.0.0.127.away.example FAIL\n";

/// A server that checks everybody and asks these lists there.
fn asking(names: &NameServer, lists: &[&str]) -> Server {
    let servers = names.address();
    let mut more = format!(
        "[dns]\nservers = [\"{servers}\"]\ntimeout = \"2s\"\n[trust]\nunchecked = []\n\
         timeout = \"5s\"\n"
    );
    for list in lists {
        more.push_str(&format!("[[trust.list]]\n{list}\n"));
    }
    Server::start_with(&more).unwrap()
}

#[test]
fn strangers_on_a_list_are_refused_and_others_are_not() {
    let names = NameServer::start(ZONE).unwrap();
    let server = asking(
        &names,
        &[
            "zone = \"block.example\"\nname = \"block\"\ncodes = [\"127.0.0.2\"]",
            "zone = \"allow.example\"\naction = \"allow\"",
            "zone = \"dead.example\"",
            "zone = \"away.example\"",
        ],
    );
    let to_ada = ["--to", "ada@test.localhost"];
    let said = swaks(&server, "127.0.0.5", &to_ada);
    let refused = "550 5.7.1 [127.0.0.5] is on the list block: see https://block.example/5";
    assert_eq!(said, refused);
    assert!(server.log().contains("answered 127.0.0.2") || server.log().contains("is on the list"));
    // Its other code is not one that was asked for.
    let said = swaks(&server, "127.0.0.6", &to_ada);
    assert!(said.starts_with("250 2.0.0 "), "{said}");
    // Who looks after the house can be told that this is a mistake.
    let said = swaks(&server, "127.0.0.5", &["--to", "abuse@test.localhost"]);
    assert!(said.starts_with("250 2.0.0 "), "{said}");
    // A list that has everybody, or none that answers, is none.
    let said = swaks(&server, "127.0.0.8", &to_ada);
    assert!(said.starts_with("250 2.0.0 "), "{said}");
    let stored = last(&server, "INBOX");
    let useless = "x-dnsbl=permerror reason=\"it has an entry for 1.0.0.127, which no list has\" \
        dns.zone=dead.example; x-dnsbl=temperror dns.zone=away.example";
    assert!(stored.contains(useless), "{stored}");
    // Somebody speaks for it.
    let said = swaks(&server, "127.0.0.7", &to_ada);
    assert!(said.starts_with("250 2.0.0 "), "{said}");
    let found = "dnswl=pass dns.zone=allow.example policy.ip=127.0.10.3 policy.txt=\"well known\"";
    let stored = last(&server, "INBOX");
    assert!(stored.contains(found), "{stored}");
    let why = server.command(&["why", "bob@bad.example"], "").unwrap();
    assert!(why.contains(found), "{why}");
}

#[test]
fn lists_of_domains_and_weights() {
    let names = NameServer::start(ZONE).unwrap();
    let server = asking(
        &names,
        &[
            "zone = \"names.example\"\nof = \"domain\"\naction = \"weigh\"\nweight = 6",
            "zone = \"block.example\"\naction = \"weigh\"\nweight = 6",
        ],
    );
    let to_ada = ["--to", "ada@test.localhost"];
    let said = swaks(&server, "127.0.0.9", &to_ada);
    assert!(said.starts_with("250 2.0.0 "), "{said}");
    let stored = last(&server, "Junk");
    assert!(
        stored.contains("x-dnsbl=fail dns.zone=names.example"),
        "{stored}"
    );
    let said = swaks(&server, "127.0.0.6", &to_ada);
    let refused = "550 5.7.1 bad.example and [127.0.0.6] are on the lists names.example, \
        block.example";
    assert_eq!(said, refused);
}
