//! SORT and THREAD (RFC 5256 §4; RFC 7162 §3.1.9).
//!
//! Threads are a list of members with their depth, written and read without recursion, since
//! nothing bounds how deep they go.

use bytes::{BufMut, BytesMut};
use mail::ModSeq;
use message::Member;

use super::search;
use crate::cursor::{Cursor, Read};
use crate::writing;

pub(super) fn write_sorted(out: &mut BytesMut, numbers: &[u32], modseq: Option<ModSeq>) {
    out.put_slice(b"* SORT");
    search::write_numbers(out, numbers, modseq);
}

/// A member on the way from the head of its thread to the one that is written.
struct Above {
    at: usize,
    /// True if it has brothers, or is a head: then it stands in parentheses.
    enclosed: bool,
}

pub(super) fn write(out: &mut BytesMut, members: &[Member]) {
    out.put_slice(b"* THREAD");
    if !members.is_empty() {
        out.put_u8(b' ');
    }
    let children = children(members);
    let mut path: Vec<Above> = Vec::new();
    for (at, member) in members.iter().enumerate() {
        close(out, &mut path, member.depth);
        let parent = path.last().map(|above| above.at);
        let enclosed = match parent {
            None => true,
            Some(parent) => children.get(parent).is_some_and(|&count| count > 1),
        };
        let is_behind_number = parent.is_some_and(|parent| {
            let parent_member = members.get(parent);
            parent + 1 == at && parent_member.is_some_and(|one| one.message.is_some())
        });
        if is_behind_number {
            out.put_u8(b' ');
        }
        if enclosed {
            out.put_u8(b'(');
        }
        if let Some(number) = member.message {
            writing::number(out, number.into());
        }
        path.push(Above { at, enclosed });
    }
    close(out, &mut path, 0);
}

/// Ends what does not lead to a member at this depth.
fn close(out: &mut BytesMut, path: &mut Vec<Above>, depth: u32) {
    let depth = usize::try_from(depth).unwrap_or(usize::MAX);
    while path.len() > depth {
        if path.pop().is_some_and(|above| above.enclosed) {
            out.put_u8(b')');
        }
    }
}

/// How many children each member has.
fn children(members: &[Member]) -> Vec<u32> {
    let mut counts = vec![0_u32; members.len()];
    let mut path: Vec<usize> = Vec::new();
    for (at, member) in members.iter().enumerate() {
        path.truncate(usize::try_from(member.depth).unwrap_or(usize::MAX));
        let parent = path.last().and_then(|&parent| counts.get_mut(parent));
        if let Some(count) = parent {
            *count += 1;
        }
        path.push(at);
    }
    counts
}

/// What stands behind `THREAD`.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Read<Vec<Member>> {
    let mut members = Vec::new();
    // The depth at which each open list began.
    let mut lists: Vec<u32> = Vec::new();
    let mut depth = 0_u32;
    let mut is_empty = false;
    while !cursor.is_at_end() {
        if cursor.eat(b'(') {
            if is_empty {
                // Brothers whose parent is not there.
                let message = None;
                members.push(Member { message, depth });
                depth = depth.saturating_add(1);
            }
            lists.push(depth);
            is_empty = true;
        } else if cursor.eat(b')') {
            match lists.pop() {
                Some(before) if !is_empty => depth = before,
                _ => return cursor.error("a thread"),
            }
        } else if !cursor.eat(b' ') {
            if lists.is_empty() {
                return cursor.error("a thread");
            }
            let message = Some(cursor.nz_number()?.get());
            members.push(Member { message, depth });
            depth = depth.saturating_add(1);
            is_empty = false;
        }
    }
    if lists.is_empty() {
        Ok(members)
    } else {
        cursor.error("')'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Names, Response};

    fn written(members: &[Member]) -> String {
        let mut out = BytesMut::new();
        write(&mut out, members);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn threads_read_back() {
        let member = |message, depth| Member { message, depth };
        // RFC 5256 §4: its two examples.
        let cases: &[(&str, &[Member])] = &[
            ("* THREAD", &[]),
            (
                "* THREAD (2)(3 6 (4 23)(44 7 96))",
                &[
                    member(Some(2), 0),
                    member(Some(3), 0),
                    member(Some(6), 1),
                    member(Some(4), 2),
                    member(Some(23), 3),
                    member(Some(44), 2),
                    member(Some(7), 3),
                    member(Some(96), 4),
                ],
            ),
            (
                "* THREAD ((3)(5))",
                &[member(None, 0), member(Some(3), 1), member(Some(5), 1)],
            ),
        ];
        for (line, members) in cases {
            let read = Response::parse(line.as_bytes(), Names::Utf7);
            assert_eq!(read, Ok(Response::Thread(members.to_vec())), "{line}");
            assert_eq!(written(members), *line);
        }
        // What others write: a space at the end, threads apart.
        let loose = Response::parse(b"* THREAD (1) (2 3) ", Names::Utf7);
        let expected = vec![member(Some(1), 0), member(Some(2), 0), member(Some(3), 1)];
        assert_eq!(loose, Ok(Response::Thread(expected)));
        for line in [
            "1", "(1", "1)", "(1))", "()", "(1 ())", "(0)", "(x)", "(1(2)",
        ] {
            let read = Response::parse(format!("* THREAD {line}").as_bytes(), Names::Utf7);
            assert!(read.is_err(), "{line}: {read:?}");
        }
    }

    #[test]
    fn however_deep_nothing_falls() {
        let open = format!("* THREAD {}", "(".repeat(100_000));
        assert!(Response::parse(open.as_bytes(), Names::Utf7).is_err());
        // Each splits into one that ends and one that goes on.
        let mut members = Vec::new();
        for depth in 0..100_000 {
            let message = Some(1);
            members.push(Member { message, depth });
            let depth = depth + 1;
            members.push(Member { message, depth });
        }
        let line = written(&members);
        let read = Response::parse(line.as_bytes(), Names::Utf7);
        assert_eq!(read, Ok(Response::Thread(members)));
    }
}
