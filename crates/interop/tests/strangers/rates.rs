//! Strangers may do so much in a minute, and no more.

use interop::{Server, Talk, Tls};

use super::swaks;

#[test]
fn who_does_too_much_has_to_wait_and_others_do_not() {
    let more = "[trust]\nunchecked = [\"127.0.0.1\"]\ncheck = false\n\
        [limits]\nconnections_per_minute = 4\nletters_per_minute = 3\n\
        recipients_per_minute = 2\n";
    let server = Server::start_with(more).unwrap();
    let to_ada = ["--to", "ada@test.localhost"];
    for expected in [
        "250 2.0.0 ",
        "250 2.0.0 ",
        "450 4.7.1 Too many recipients ",
        "451 4.7.1 Too many letters ",
        "421 mail.test.localhost Too many connections ",
    ] {
        let said = swaks(&server, "127.0.4.1", &to_ada);
        assert!(said.starts_with(expected), "{expected}: {said}");
    }
    let said = swaks(&server, "127.0.4.2", &to_ada);
    assert!(said.starts_with("250 2.0.0 "), "{said}");
    for _ in 0..9 {
        let opened = Talk::open(server.address("smtp", Tls::Starttls));
        assert!(opened.unwrap().1.starts_with("220 "));
    }
}
