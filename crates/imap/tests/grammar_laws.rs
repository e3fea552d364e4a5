//! What is written reads back as the same, and nothing that is read makes the reader fall.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use bytes::BytesMut;
use imap::url::MessageUrl;
use imap::{Command, Names, Response, Tag};
use proptest::prelude::*;

#[path = "any/appends.rs"]
mod appends;
#[path = "any/commands.rs"]
mod commands;
#[path = "any/responses.rs"]
mod responses;
#[path = "any/words.rs"]
mod words;

use appends::url;
use commands::command;
use responses::response;

fn config() -> ProptestConfig {
    let cases = std::env::var("CARAMEL_LAWS")
        .ok()
        .and_then(|laws| laws.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(1500),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn names() -> BoxedStrategy<Names> {
    prop::sample::select(vec![Names::Utf7, Names::Utf8]).boxed()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_command_reads_back(command in command(), names in names()) {
        let tag = Tag::new("a1.]").unwrap();
        let mut frame = BytesMut::new();
        command.write(&tag, &mut frame, names);
        let read = Command::parse_as(&frame, names);
        prop_assert_eq!(read, Ok((tag, command)), "{}", String::from_utf8_lossy(&frame));
    }

    #[test]
    fn a_url_reads_back(url in url()) {
        let written = url.to_string();
        prop_assert!(written.bytes().all(|octet| octet.is_ascii_graphic()), "{}", written);
        prop_assert_eq!(MessageUrl::parse(&written), Some(url), "{}", written);
    }

    #[test]
    fn a_cut_or_changed_url_is_no_trouble(
        url in url(),
        cut in any::<prop::sample::Index>(),
        letter in any::<char>(),
    ) {
        let written = url.to_string();
        let (before, behind) = written.split_at(cut.index(written.len()));
        let _read = MessageUrl::parse(before);
        if let Some(read) = MessageUrl::parse(&format!("{before}{letter}{}", &behind[1..])) {
            prop_assert_eq!(MessageUrl::parse(&read.to_string()), Some(read));
        }
    }

    #[test]
    fn a_response_reads_back(response in response(), names in names()) {
        let mut line = BytesMut::new();
        response.write(&mut line, names);
        let frame = line.strip_suffix(b"\r\n").unwrap();
        let read = Response::parse(frame, names);
        prop_assert_eq!(read, Ok(response), "{}", String::from_utf8_lossy(frame));
    }

    #[test]
    fn a_cut_or_changed_command_is_no_trouble(
        command in command(),
        cut in any::<prop::sample::Index>(),
        octet in any::<u8>(),
    ) {
        let mut frame = BytesMut::new();
        command.write(&Tag::new("t").unwrap(), &mut frame, Names::Utf7);
        let cut = cut.index(frame.len());
        let _read = Command::parse(frame.get(..cut).unwrap());
        *frame.get_mut(cut).unwrap() = octet;
        if let Ok((tag, command)) = Command::parse(&frame) {
            let mut again = BytesMut::new();
            command.write(&tag, &mut again, Names::Utf7);
            prop_assert_eq!(Command::parse(&again), Ok((tag, command)));
        }
    }

    #[test]
    fn a_cut_or_changed_response_is_no_trouble(
        response in response(),
        cut in any::<prop::sample::Index>(),
        octet in any::<u8>(),
    ) {
        let mut frame = BytesMut::new();
        response.write(&mut frame, Names::Utf7);
        let cut = cut.index(frame.len());
        let _read = Response::parse(frame.get(..cut).unwrap(), Names::Utf7);
        *frame.get_mut(cut).unwrap() = octet;
        let _read = Response::parse(&frame, Names::Utf7);
    }

    #[test]
    fn any_octets_are_no_trouble(octets in prop::collection::vec(any::<u8>(), 0..60)) {
        let _command = Command::parse(&octets);
        let _response = Response::parse(&octets, Names::Utf8);
        let _command = Command::parse(&[b"a SEARCH ", octets.as_slice()].concat());
        let _response = Response::parse(&[b"* 1 FETCH (", octets.as_slice()].concat(), Names::Utf7);
    }

    #[test]
    fn a_mailbox_name_reads_back(name in "[^\0]{0,20}", names in names()) {
        let wire = names.encode(&name).into_owned();
        let read = names.decode(&wire).map(std::borrow::Cow::into_owned);
        prop_assert_eq!(read, Some(name));
        let printable = wire.bytes().all(|octet| (b' '..=b'~').contains(&octet));
        prop_assert!(names == Names::Utf8 || printable);
    }
}
