//! Who sees what, and what becomes of what nobody takes.

use super::ring::Piece;
use super::*;
use crate::settings::Protocol;

fn peer(number: u64) -> Peer {
    Peer {
        conn: ConnId(number),
        address: None,
        local: None,
        user: None,
    }
}

fn seat(gallery: &Arc<Gallery>, number: u64) -> Seat {
    let beginning = Beginning {
        protocol: Protocol::Imap,
        tls: true,
        clear: false,
        starttls: false,
    };
    gallery.seat(peer(number), beginning)
}

fn address(name: &str) -> Address {
    Address::parse(&format!("{name}@example.org")).unwrap()
}

/// The peer says NOOP.
fn noop(seat: &mut Seat) -> bool {
    use wire::recording::Event;
    use wire::witness::Heard;
    let Some(onlooker) = seat.onlooker() else {
        return false;
    };
    onlooker.see(Event::Woken(mail::Instant::default()));
    onlooker.see(Event::Heard(Heard::Shown("NOOP\r\n".into())));
    true
}

/// All that waits, as one text; `.` for an end.
fn seen(looking: &Looking) -> String {
    let pieces = std::iter::from_fn(|| looking.ring.take());
    let shown = pieces.map(|Piece { conn, text }| match text.as_str() {
        "" => format!("{conn}.\n"),
        text => text.replace("NOOP", &conn.to_string()),
    });
    shown.collect()
}

#[test]
fn nobody_is_told_where_nobody_looks_on() {
    let gallery = Arc::new(Gallery::default());
    let mut first = seat(&gallery, 1);
    assert!(!noop(&mut first));
    let looking = gallery.look(Filter::default()).unwrap();
    assert!(noop(&mut first));
    let mut second = seat(&gallery, 2);
    assert!(noop(&mut second));
    drop(second);
    let one = ConnId(1).to_string();
    let two = ConnId(2).to_string();
    assert_eq!(
        seen(&looking),
        format!("# from the middle of a conversation\nC: {one}\n# tls\nC: {two}\n{two}.\n")
    );
    drop(looking);
    assert!(!noop(&mut first));
    assert_eq!(gallery.inside().len(), 1);
    drop(first);
    assert!(gallery.inside().is_empty());
}

#[test]
fn an_account_is_seen_from_the_start_and_others_never() {
    let gallery = Arc::new(Gallery::default());
    let mut before = seat(&gallery, 1);
    assert!(!noop(&mut before));
    let account = Some(address("ada"));
    let whole = true;
    let looking = gallery.look(Filter {
        account,
        whole,
        ..Filter::default()
    });
    let looking = looking.unwrap();
    let [mut ada, mut alan, mut nobody] = [2, 3, 4].map(|number| seat(&gallery, number));
    for seat in [&mut ada, &mut alan, &mut nobody] {
        assert!(noop(seat));
    }
    assert_eq!(seen(&looking), "");
    ada.belongs_to(Some(&address("ada")));
    alan.belongs_to(Some(&address("alan")));
    // It is not whole.
    before.belongs_to(Some(&address("ada")));
    assert!(noop(&mut ada) && !noop(&mut alan) && !noop(&mut before));
    drop(nobody);
    let two = ConnId(2).to_string();
    assert_eq!(seen(&looking), format!("# tls\nC: {two}\nC: {two}\n"));
    ada.belongs_to(None);
    ada.belongs_to(Some(&address("alan")));
    assert!(!noop(&mut ada));
    assert_eq!(seen(&looking), format!("{two}.\n"));
}

#[test]
fn whoever_is_slow_loses_lines_and_is_told() {
    let gallery = Arc::new(Gallery::default());
    let looking = gallery.look(Filter::default()).unwrap();
    let line = format!("{}\n", "x".repeat(1023));
    for _ in 0..1030 {
        looking.ring.push(ConnId(1), line.clone());
    }
    assert_eq!(looking.ring.take().unwrap().text, line);
    looking.ring.push(ConnId(2), line.clone());
    let pieces: Vec<Piece> = std::iter::from_fn(|| looking.ring.take()).collect();
    assert_eq!(pieces.len(), 1025);
    let [.., lost, last] = pieces.as_slice() else {
        panic!("there are two");
    };
    assert_eq!(lost.text, "# … 6 lines lost\n");
    assert_eq!((lost.conn, last.conn), (ConnId(1), ConnId(2)));
    // What was lost last is told as well.
    looking.ring.push(ConnId(1), "x\n".repeat(1 << 20));
    let lost = looking.ring.take().unwrap();
    assert_eq!(lost.text, "# … 1048576 lines lost\n");
    assert_eq!(looking.ring.take(), None);
}

#[test]
fn only_so_many_may_look_on() {
    let gallery = Arc::new(Gallery::default());
    let all: Vec<Looking> = (0..ONLOOKERS_MAX)
        .map(|_| gallery.look(Filter::default()).unwrap())
        .collect();
    assert!(gallery.look(Filter::default()).is_none());
    drop(all);
    assert!(gallery.look(Filter::default()).is_some());
}

#[test]
fn filters_look_at_protocol_and_number() {
    let gallery = Arc::new(Gallery::default());
    let seat = seat(&gallery, 7);
    let inside = gallery.inside();
    let [presence] = inside.as_slice() else {
        panic!("there is one");
    };
    assert_eq!(presence.beginning.protocol, Protocol::Imap);
    for (conn, protocol, wanted) in [
        (None, None, true),
        (Some(ConnId(7)), Some(Protocol::Imap), true),
        (Some(ConnId(8)), None, false),
        (None, Some(Protocol::Pop3), false),
    ] {
        let filter = Filter {
            conn,
            protocol,
            ..Filter::default()
        };
        let wants = filter.wants(presence, &presence.standing());
        assert_eq!(wants == ring::Wanted::Yes, wanted, "{filter:?}");
    }
    drop(seat);
}
