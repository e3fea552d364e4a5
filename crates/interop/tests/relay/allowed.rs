//! To how many an account may send, and a domain.

use interop::{Ended, Tls, program};

use super::sink::Sink;
use super::{Town, town};

#[test]
fn an_account_and_its_domain_send_to_so_many_and_no_more() {
    let sink = Sink::start("127.0.0.2", 0, None);
    let more = "[limits]\nsends_per_hour = 1\n\
        [[limits.sends]]\nof = \"ada@test.localhost\"\nper_hour = 3\n\
        [[limits.sends]]\nof = \"@test.localhost\"\nper_day = 4\n";
    let town = town("a.example A 127.0.0.2", sink.port, more);
    let to = ["1@a.example", "2@a.example", "alan@test.localhost"];
    town.send(&to, "two", &[]);
    town.send(&["3@a.example"], "three", &[]);
    let refused = town.try_send(&["4@a.example"], "four", &[]);
    assert!(!refused.well);
    let said = "4.7.1 You have sent to too many lately";
    assert!(
        refused.err.contains(said) && refused.err.contains("450"),
        "{}",
        refused.err
    );
    // Here anybody may be written to.
    town.send(&["alan@test.localhost"], "home", &[]);
    let taken = sink.takes(2);
    assert_eq!(taken.len(), 2, "{taken:?}");
    // Colleagues have what is left of the domain's, whatever each may.
    town.server
        .add_account("bob@test.localhost", "secret")
        .unwrap();
    assert!(as_other(&town, "alan", "5@a.example").well);
    let refused = as_other(&town, "bob", "6@a.example");
    let said = "4.7.1 Your domain has sent to too many lately";
    assert!(
        !refused.well && refused.err.contains(said),
        "{}",
        refused.err
    );
    sink.takes(3);
    town.is_done();
}

fn as_other(town: &Town, user: &str, to: &str) -> Ended {
    let address = town.server.address("submission", Tls::Implicit).to_string();
    let authority = town.server.authority().unwrap();
    let script = include_str!("../python/hand_in.py");
    let words = ["-c", script, &address, &authority, to, "other", "", user];
    program("python3", &words, town.server.folder(), "").unwrap()
}
