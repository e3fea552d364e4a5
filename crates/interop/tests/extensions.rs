//! Extensions of IMAP, one by one, as programs use them that nobody here wrote.
#![expect(clippy::unwrap_used, reason = "a test")]

use interop::{Server, Tls, program};

/// Runs a function of `python/extensions.py` on a server of its own.
fn python(what: &str) {
    python_on(&Server::start().unwrap(), what);
}

fn python_on(server: &Server, what: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/extensions.py");
    let ca = server.authority().unwrap();
    let imap = server.address("imap", Tls::Implicit).to_string();
    let [smtp, lmtp] = [("smtp", Tls::Starttls), ("lmtp", Tls::None)]
        .map(|(protocol, tls)| server.address(protocol, tls).to_string());
    let words = [script, what, &ca, &imap, &smtp, &lmtp];
    let ended = program("python3", &words, server.folder(), "").unwrap();
    assert!(ended.well, "{}\n{}\n{}", ended.out, ended.err, server.log());
}

#[test]
fn one_connection_serves_one_account_after_another() {
    python("unauthenticate");
}

#[test]
fn letters_are_found_by_their_age() {
    python("within");
}

#[test]
fn letters_come_in_order_and_in_threads() {
    python("sort_and_thread");
}

#[test]
fn a_connection_goes_on_compressed_inside_tls() {
    python("compress");
}

#[test]
fn an_account_holds_so_much_and_no_more() {
    let server = Server::start().unwrap();
    let set = |words: &[&str]| {
        let words = [&["account", "quota", "ada@test.localhost"], words].concat();
        server.command(&words, "").unwrap()
    };
    let shown = set(&["--octets", "4K", "--messages", "6"]);
    assert!(shown.contains("holds 0 octets of 4096."), "{shown}");
    python_on(&server, "quota");
    assert!(set(&[]).contains("holds 6 messages of 6."));
    assert!(set(&["--none"]).contains("holds 6 messages of any number."));
    python_on(&server, "no_quota");
}

#[test]
fn notes_of_every_kind_are_kept() {
    python("metadata");
}

#[test]
fn a_client_learns_how_much_it_may_append() {
    python("append_limit");
}

#[test]
fn two_users_share_a_mailbox() {
    python("share");
}

#[test]
fn a_team_has_mailboxes_that_are_nobodys_own() {
    let server = Server::start().unwrap();
    let team = "team@test.localhost";
    let added = server.command(&["account", "add", team, "--shared"], "");
    assert!(added.unwrap().contains("shared"));
    let rights = |identifier: &str, rights: &str| {
        let words = ["account", "rights", team, "INBOX", identifier, rights];
        server.command(&words, "").unwrap()
    };
    rights("ada@test.localhost", "lrswikxtea");
    rights("anyone", "l");
    python_on(&server, "team");
    // What Ada gave is told, and what is taken while somebody looks is gone at once.
    let told = rights("alan@test.localhost", "none");
    assert!(
        told.contains("ada@test.localhost lrswikxtea") && !told.contains("alan"),
        "{told}"
    );
    python_on(&server, "team_taken");
}

#[test]
fn what_is_not_shared_is_not_there() {
    python("keep_apart");
}

#[test]
fn a_draft_takes_the_place_of_another() {
    python("replace");
}

#[test]
fn a_letter_has_the_date_it_was_saved() {
    python("save_date");
}

#[test]
fn letters_show_their_first_words() {
    python("preview");
}

#[test]
fn results_stay_up_to_date() {
    python("contexts");
}

#[test]
fn results_are_told_page_by_page() {
    python("partial");
}

#[test]
fn what_happens_is_told_without_a_command() {
    python("notify");
}

#[test]
fn what_happens_in_a_shared_mailbox_is_told() {
    python("notify_shared");
}

#[test]
fn one_list_tells_the_notes_of_all() {
    python("list_metadata");
}

#[test]
fn letters_are_named_by_uid_alone() {
    let server = Server::start_with("[imap]\nuid_only = true").unwrap();
    python_on(&server, "uid_only");
}

#[test]
fn letters_of_one_conversation_say_so() {
    python("conversations");
}

#[test]
fn scripts_run_when_messages_are_put_copied_moved_and_flagged() {
    const SCRIPT: &str = "require [\"imapsieve\", \"environment\", \"imap4flags\", \"fileinto\", \
        \"copy\"];\r\nif environment \"imap.cause\" \"APPEND\" { addflag \"appended\"; }\r\n\
        elsif environment \"imap.cause\" \"COPY\" \
        { addflag \"copied\"; fileinto :copy \"Archive\"; }\r\n\
        elsif environment :contains \"imap.changedflags\" \"\\\\Seen\" { addflag \"seen\"; }\r\n\
        elsif allof (environment :contains \"imap.changedflags\" \"\\\\Flagged\", \
        hasflag \"\\\\Flagged\") { fileinto \"Archive\"; }\r\n";
    let server = Server::start().unwrap();
    let words = ["sieve", "put", "ada@test.localhost", "-", "--name", "event"];
    server.command(&words, SCRIPT).unwrap();
    python_on(&server, "imapsieve");
}
