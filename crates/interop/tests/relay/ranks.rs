//! Which letters go first where many are due.

use interop::{NameServer, Server};

use super::sink::{Sink, wait};
use super::{Town, words};

const BULK: &str = "\r\nPrecedence: bulk";

fn has(town: &Town, count: usize) {
    wait(|| {
        let queue = town.queue();
        let tried = queue.iter().any(|letter| letter["attempts"] != 0);
        let is_away = queue.iter().any(|letter| letter["state"] == "attempting");
        (queue.len() == count && tried && !is_away).then_some(())
    });
}

/// The subjects of what was taken, in order.
pub(super) fn subjects(taken: &[serde_json::Value]) -> Vec<String> {
    let subject = |letter: &serde_json::Value| {
        let body = words(letter, "body");
        let mut lines = body
            .lines()
            .filter_map(|line| line.strip_prefix("Subject: "));
        lines.next().unwrap().to_owned()
    };
    taken.iter().map(subject).collect()
}

#[test]
fn letters_of_people_go_first_and_bulk_has_its_share() {
    let sink = Sink::start("127.0.0.2", 0, None);
    let names = NameServer::start("a.example A 127.0.0.2").unwrap();
    let text = format!(
        "[dns]\nservers = [\"{}\"]\n[queue]\nretry = [\"1d\"]\n\
         [relay]\nport = {}\nconnections_per_destination = 1\n",
        names.address(),
        sink.port
    );
    let server = Server::start_with(&text).unwrap();
    let town = Town { names, server };
    sink.switch("busy", true);
    for number in 0..4 {
        town.send(&["x@a.example"], &format!("bulk {number}{BULK}"), &[]);
    }
    for number in 0..8 {
        town.send(&["x@a.example"], &format!("mine {number}"), &[]);
    }
    has(&town, 12);
    let top = town.server.command(&["queue", "top"], "").unwrap();
    assert!(
        top.contains("12 letters in the queue for 1 destinations"),
        "{top}"
    );
    let line = top
        .lines()
        .find(|line| line.starts_with("a.example "))
        .unwrap();
    assert!(line.contains("421 4.3.2 Busy"), "{top}");
    sink.switch("busy", false);
    town.server
        .command(&["queue", "retry", "--all"], "")
        .unwrap();
    let order = subjects(&sink.takes(12));
    let (first, last) = order.split_at(5);
    // Of the first five one is not of a person, and those that are left over at the end are not.
    let bulk = |all: &[String]| all.iter().filter(|one| one.starts_with("bulk")).count();
    assert_eq!(bulk(first), 1, "{order:?}");
    assert!(
        first[0] == "mine 0" && last.last().unwrap().starts_with("bulk"),
        "{order:?}"
    );
    town.is_done();
    let top = town
        .server
        .command(&["queue", "top", "--json"], "")
        .unwrap();
    let top: serde_json::Value = serde_json::from_str(&top).unwrap();
    assert_eq!(top["list"][0]["taken"], 12, "{top}");
    assert_eq!(top["total"], 0, "{top}");
}
