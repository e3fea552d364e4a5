//! Both ends in memory: our client talks to our server about a house of one mailbox.
//!
//! Two clients walk at random over the same mailbox; each keeps only what the server tells it, and
//! must come to know exactly what the house has.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test"
)]

use bytes::Bytes;
use imap::client::{Message, Request};
use imap::response::Condition;
use imap::{Command, MailboxName, SeqNumber};
use mail::FlagSet;
use wire::Session as _;

use self::ends::Pair;
use self::house::House;

mod ends;
mod house;

#[test]
fn a_visit() {
    for cut in [1, 5, usize::MAX] {
        let mut house = House::default();
        house.add(FlagSet::new(), b"Subject: one\r\n\r\nfirst\r\n".to_vec());
        let mut pair = Pair::new(cut);
        pair.enter(&mut house, "");
        let append = Request::Append {
            mailbox: MailboxName::new("INBOX"),
            flags: FlagSet::from_system_bits(1),
            date: None,
            message: Message::Octets(Bytes::from_static(b"Subject: two\r\n\r\n{5}\r\n")),
        };
        assert_eq!(pair.request(&mut house, append), Condition::Ok);
        assert_eq!(pair.view.len(), 2);
        pair.does(&mut house, "FETCH 1:2 (UID BODY.PEEK[TEXT])");
        let bodies: Vec<&[u8]> = pair.bodies.iter().map(AsRef::as_ref).collect();
        assert_eq!(bodies, [b"first\r\n", b"{5}\r\n".as_slice()]);
        pair.does(&mut house, "SEARCH SEEN");
        assert_eq!(pair.found, [2]);
        pair.does(&mut house, "FETCH 1 BODY[]");
        pair.knows_all(&mut house);
        assert_eq!(
            pair.say(&mut house, "STORE 3 +FLAGS (\\Seen)"),
            Condition::Bad
        );
        pair.does(&mut house, "STORE 1 +FLAGS (\\Deleted)");
        pair.does(&mut house, "EXPUNGE");
        pair.knows_all(&mut house);
        assert_eq!(pair.view.len(), 1);
        let replace = Request::Replace {
            uid: true,
            number: SeqNumber::Number(2.try_into().unwrap()),
            mailbox: MailboxName::new("INBOX"),
            flags: FlagSet::new(),
            date: None,
            message: Message::Octets(Bytes::from_static(b"Subject: three\r\n\r\n3\r\n")),
        };
        assert_eq!(pair.request(&mut house, replace), Condition::Ok);
        pair.knows_all(&mut house);
        assert_eq!(house.letters.keys().collect::<Vec<_>>(), [&3]);
        assert_eq!(pair.say(&mut house, "LOGIN a b"), Condition::Bad);
        pair.does(&mut house, "STATUS INBOX (MESSAGES SIZE)");
        pair.does(&mut house, "LIST \"\" *");
        pair.does(&mut house, "LOGOUT");
    }
}

/// The same numbers each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963);
        usize::try_from(self.0 >> 33).unwrap() % sides.max(1)
    }
}

#[test]
fn what_one_does_the_other_hears_in_idle() {
    let mut house = House::default();
    house.add(FlagSet::new(), b"x: y\r\n\r\nz".to_vec());
    let mut pairs = [Pair::new(usize::MAX), Pair::new(3)];
    pairs.iter_mut().for_each(|pair| pair.enter(&mut house, ""));
    let [idler, doer] = &mut pairs;
    idler.work(&mut house);
    idler.resting = false;
    "IDLE".clone_into(&mut idler.verb);
    idler.client.answer(vec![Request::Command(Command::Idle)]);
    idler.work(&mut house);
    for (line, known) in [
        ("STORE 1 +FLAGS (\\Flagged)", 1),
        ("STORE 1 FLAGS (\\Deleted)", 1),
        ("EXPUNGE", 0),
    ] {
        doer.does(&mut house, line);
        idler.server.notice(house.modseq);
        idler.work(&mut house);
        assert_eq!(idler.view.len(), known, "{line}");
        let flags = house
            .letters
            .values()
            .map(|letter| Some(letter.flags.clone()));
        let heard = idler.view.iter().map(|(_, flags)| flags.clone());
        assert!(heard.eq(flags), "{line}");
    }
    house.add(FlagSet::new(), b"x: y\r\n\r\nz".to_vec());
    idler.server.notice(house.modseq);
    idler.work(&mut house);
    assert_eq!(idler.view.len(), 1);
    idler.client.answer(vec![Request::Done]);
    idler.work(&mut house);
    assert_eq!(idler.ends.last(), Some(&("IDLE", Condition::Ok)));
    idler.knows_all(&mut house);
}

/// One random deed of one client.
fn deed(pair: &mut Pair, house: &mut House, dice: &mut Dice) {
    let count = pair.view.len();
    let seq = dice.roll(count) + 1;
    let uid = dice.roll(usize::try_from(house.last).unwrap()) + 1;
    let flag = ["\\Seen", "\\Deleted", "\\Flagged"][dice.roll(3)];
    let sign = ["+", "-", ""][dice.roll(3)];
    let since = dice.roll(usize::try_from(house.modseq.0).unwrap() + 2);
    let silent = ["", ".SILENT"][dice.roll(2)];
    let line = match dice.roll(14) {
        0 if count > 0 => format!("STORE {seq} {sign}FLAGS ({flag})"),
        1 => format!("UID STORE {uid}:* {sign}FLAGS ({flag})"),
        2 if count > 0 => format!("STORE 1:{seq} +FLAGS{silent} (\\Deleted)"),
        3 => "EXPUNGE".to_owned(),
        4 => format!("UID EXPUNGE {uid}:4000000000"),
        5 if count > 0 => format!("FETCH {seq}:* (UID FLAGS)"),
        6 => format!("UID FETCH {uid} (FLAGS BODY[])"),
        7 => "SEARCH DELETED".to_owned(),
        8 => "NOOP".to_owned(),
        9 => format!("UID STORE {uid}:* (UNCHANGEDSINCE {since}) +FLAGS (\\Flagged)"),
        10 => format!("UID FETCH 1:* (FLAGS) (CHANGEDSINCE {})", since.max(1)),
        _ => {
            let flags = FlagSet::from_system_bits(u8::try_from(dice.roll(32)).unwrap());
            house.add(flags, b"a: b\r\n\r\nc".to_vec());
            pair.server.notice(house.modseq);
            return;
        }
    };
    let condition = pair.say(house, &line);
    // RFC 9051 §9: what is only mentioned may be gone already, and another client's doing.
    assert_ne!(condition, Condition::Bad, "{line}");
    if line.contains(".SILENT") && condition == Condition::Ok {
        // A silent STORE tells nothing: the client takes its word for it.
        for (_, flags) in pair.view.iter_mut().take(seq) {
            *flags = None;
        }
    }
    if line == "SEARCH DELETED" {
        for &number in &pair.found {
            assert!(
                usize::try_from(number).unwrap() <= pair.view.len(),
                "{number} found"
            );
        }
    }
}

#[test]
fn two_clients_come_to_know_the_same() {
    let walks = std::env::var("CARAMEL_LAWS").map_or(60, |laws| laws.parse().unwrap_or(60));
    for seed in 0..walks {
        let mut dice = Dice(seed * 7919 + 1);
        let mut house = House::default();
        for _ in 0..dice.roll(6) {
            house.add(FlagSet::new(), b"x: y\r\n\r\nz".to_vec());
        }
        let mut pairs = [Pair::new(usize::MAX), Pair::new(1 + dice.roll(40))];
        for pair in &mut pairs {
            let speaks = ["", "ENABLE CONDSTORE", "ENABLE IMAP4rev2"][dice.roll(3)];
            pair.enter(&mut house, speaks);
        }
        for _ in 0..40 {
            let which = dice.roll(2);
            let pair = pairs.get_mut(which).unwrap();
            deed(pair, &mut house, &mut dice);
            // Sometimes the hint comes late: the ledger is the truth, a hint only wakes.
            if dice.roll(3) > 0 {
                for pair in &mut pairs {
                    pair.server.notice(house.modseq);
                    pair.work(&mut house);
                    // RFC 9051 §7.5.1: numbers stay what they are while no command is under way.
                    let unasked: Vec<u8> = pair.to_client.iter().copied().collect();
                    assert!(!unasked.windows(7).any(|octets| octets == b"EXPUNGE"));
                }
            }
        }
        for pair in &mut pairs {
            pair.knows_all(&mut house);
        }
    }
}
