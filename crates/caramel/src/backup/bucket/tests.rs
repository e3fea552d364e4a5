//! What a medium promises, held against a folder, a bucket in memory, and one that is far away.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::sync::Arc;
use std::time::Duration;

use backup::{Folder, Medium};
use net::{Clear, HttpHost};
use object_store::aws::{AmazonS3Builder, Checksum};
use object_store::memory::InMemory;
use store::disk::RealDisk;

use self::server::{Fault, Server, Wrong};
use super::line::{Heard, Line};
use super::*;

mod server;

/// One more than goes whole.
const LARGE: usize = draft::PART_OCTETS + 1;

fn quick(bucket: Bucket) -> Bucket {
    let Some(mut shared) = Arc::into_inner(bucket.0) else {
        panic!("somebody else has it");
    };
    shared.look_again = Duration::ZERO;
    Bucket(Arc::new(shared))
}

/// The bucket of a server, as one process sees it.
fn far(server: &Server) -> Bucket {
    let url = format!("http://{}", server.address);
    let host = HttpHost::new(&url, None, Clear::Here).unwrap();
    let heard = Arc::<Heard>::default();
    let line = Line::new(Arc::new(host), Arc::clone(&heard));
    let builder = AmazonS3Builder::new()
        .with_bucket_name("mail")
        .with_region("us-east-1")
        .with_endpoint(url)
        .with_access_key_id("ID")
        .with_secret_access_key("SECRET")
        .with_checksum_algorithm(Checksum::SHA256);
    let line = line.pausing(Duration::from_micros(1));
    quick(Bucket::over(builder, line, heard, "x").unwrap())
}

fn octets(len: usize) -> Vec<u8> {
    let mut state: u32 = 7;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..len).map(next).collect()
}

fn keep(medium: &dyn Medium, name: &str, octets: &[u8]) -> io::Result<()> {
    let mut draft = medium.begin()?;
    // So many of these fill a part, and nothing is over.
    for piece in octets.chunks(draft::PART_OCTETS / 128) {
        draft.write_all(piece)?;
    }
    draft.keep(name)
}

fn whole(medium: &dyn Medium, name: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    medium.open(name).unwrap().read_to_end(&mut octets).unwrap();
    octets
}

fn kind<T>(done: io::Result<T>) -> Option<ErrorKind> {
    done.err().map(|error| error.kind())
}

/// What holds for all media; `other` is the same place for somebody else.
fn laws(medium: &dyn Medium, other: &dyn Medium) {
    let held = medium.hold().unwrap();
    assert_eq!(kind(other.hold()), Some(ErrorKind::WouldBlock));
    assert_eq!(kind(medium.open("bodies/none")), Some(ErrorKind::NotFound));
    assert_eq!(
        kind(medium.remove("bodies/none")),
        Some(ErrorKind::NotFound)
    );
    assert_eq!(medium.list("bodies").unwrap(), Vec::<String>::new());
    assert_eq!(medium.list("elsewhere").unwrap(), Vec::<String>::new());
    let sizes = [0, 1, 1000, 262_143, 262_145, LARGE - 1, LARGE, 17_000_000];
    for size in sizes {
        let (name, octets) = (format!("bodies/{size}"), octets(size));
        keep(medium, &name, &octets).unwrap();
        // Others see it at once, and whole.
        assert!(whole(other, &name) == octets, "{size}");
        let mut object = other.open(&name).unwrap();
        let len = size as u64;
        assert_eq!(object.seek(SeekFrom::End(0)).unwrap(), len);
        assert_eq!(object.read(&mut [0]).unwrap(), 0);
        for (at, wanted) in [
            (0, 10),
            (len / 2, 300_000),
            (len / 3, 7),
            (len, 1),
            (len + 5, 1),
        ] {
            object.seek(SeekFrom::Start(at)).unwrap();
            let mut read = Vec::new();
            object.by_ref().take(wanted).read_to_end(&mut read).unwrap();
            let at = usize::try_from(at).unwrap().min(size);
            let end = size.min(at + usize::try_from(wanted).unwrap());
            assert!(read == octets[at..end], "{size} at {at}");
        }
        assert_eq!(
            kind(object.seek(SeekFrom::Current(i64::MIN))),
            Some(ErrorKind::InvalidInput)
        );
    }
    let mut names = sizes.map(|size| size.to_string());
    names.sort_unstable();
    assert_eq!(other.list("bodies").unwrap(), names);
    // What was never kept is nowhere, and what is kept again is what is kept last.
    let mut draft = medium.begin().unwrap();
    draft.write_all(&octets(LARGE)).unwrap();
    drop(draft);
    keep(medium, "bodies/1", b"another").unwrap();
    assert_eq!(whole(other, "bodies/1"), b"another");
    assert_eq!(other.list("bodies").unwrap(), names);
    medium.remove("bodies/1").unwrap();
    assert_eq!(kind(other.open("bodies/1")), Some(ErrorKind::NotFound));
    assert_eq!(other.list("bodies").unwrap().len(), names.len() - 1);
    drop(held);
    drop(other.hold().unwrap());
}

#[test]
fn a_folder_and_buckets_promise_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path| Folder::new(Arc::new(RealDisk), path);
    laws(&at(folder.path()), &at(folder.path()));

    let memory = Arc::new(InMemory::new());
    let near = |prefix| {
        let shelves: Arc<dyn Shelves> = Arc::<InMemory>::clone(&memory);
        quick(Bucket::of(shelves, Arc::default(), prefix).unwrap())
    };
    laws(&near("a/b"), &near("a/b"));
    // Another part of it, and all of it, have nothing to do with that.
    laws(&near(""), &near(""));
    assert_eq!(near("a").list("bodies").unwrap(), Vec::<String>::new());

    let server = Server::start();
    laws(&far(&server), &far(&server));
    let stored = server.stored.lock().unwrap();
    assert!(stored.uploads.is_empty());
    let left = stored
        .objects
        .keys()
        .filter(|name| !name.starts_with("x/bodies/"));
    assert_eq!(left.count(), 0);
}

fn fault(to: &'static str, times: usize, answer: Wrong) -> Fault {
    Fault { to, times, answer }
}

/// What is done with a bucket while its store does something wrong.
type Doing = fn(&Bucket) -> io::Result<()>;

fn keeps_small(bucket: &Bucket) -> io::Result<()> {
    keep(bucket, "bodies/new", b"small")
}

fn keeps_large(bucket: &Bucket) -> io::Result<()> {
    keep(bucket, "bodies/new", &octets(3 * LARGE))?;
    assert!(whole(bucket, "bodies/new") == octets(3 * LARGE));
    Ok(())
}

fn reads(bucket: &Bucket) -> io::Result<()> {
    let mut read = Vec::new();
    bucket.open("bodies/there")?.read_to_end(&mut read)?;
    assert_eq!(read, b"there");
    Ok(())
}

fn lists(bucket: &Bucket) -> io::Result<()> {
    assert_eq!(bucket.list("bodies")?, ["there", "there2", "there3"]);
    Ok(())
}

fn removes(bucket: &Bucket) -> io::Result<()> {
    bucket.remove("bodies/there")
}

const PUT: &str = "PUT /mail/x/bodies";
const GET: &str = "GET /mail/x/bodies";
/// However often: parts are on their way at once.
const ANY: usize = 0;

// tidy: table
#[test]
fn what_a_store_says_and_what_comes_of_it() {
    use Wrong::{Raw, Refused, Unsaid};
    let slow = Refused(503, "SlowDown", "Reduce your request rate.");
    let key = Refused(
        403,
        "InvalidAccessKeyId",
        "The &quot;key&quot; is\u{1b} not known.",
    );
    let bucket = Refused(404, "NoSuchBucket", "The bucket does not exist");
    let half = Raw(
        "HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-4/5\r\nETag: \"x\"\r\n\
        Last-Modified: Sat, 28 Nov 2026 06:00:00 GMT\r\nContent-Length: 5\r\n\r\nthe",
    );
    let late = Raw("HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n\
        <Error><Code>InternalError</Code><Message>Please try again.</Message></Error>");
    let digest = Refused(400, "BadDigest", "No match.");
    let moved = Refused(301, "PermanentRedirect", "Not here.");
    let full = Refused(507, "Full", "No room.");
    let (none, busy) = (Refused(404, "", ""), Refused(429, "", ""));
    let lost = "asking the store: ";
    let slowly = "the store answers 503: SlowDown: Reduce your request rate. (asked 8 times)";
    let denied = "the store answers 403: InvalidAccessKeyId: The \"key\" is not known.";
    let nowhere = "the store answers 404: NoSuchBucket: The bucket does not exist";
    let absent = "there is none of that name";
    // What is asked, how often that is answered so, what is done, what comes of it, and how often
    // it was asked for.
    let table: [(&str, usize, &Wrong, Doing, &str, usize); 19] = [
        (PUT, 0, &slow, keeps_small, "", 1),
        (PUT, 2, &slow, keeps_small, "", 3),
        (PUT, 2, &busy, keeps_small, "", 3),
        (PUT, 2, &Raw(""), keeps_small, "", 3),
        (PUT, 1, &Unsaid, keeps_small, "", 2),
        (PUT, 99, &slow, keeps_small, slowly, 8),
        (PUT, 9, &Raw("HTTP/1.1 what"), keeps_small, lost, 8),
        (PUT, 9, &key, keeps_small, denied, 1),
        (
            PUT,
            9,
            &digest,
            keeps_small,
            "the store answers 400: BadDigest: No match.",
            1,
        ),
        (
            PUT,
            9,
            &moved,
            keeps_small,
            "the store answers 301: PermanentRedirect: Not here.",
            1,
        ),
        (PUT, 3, &slow, keeps_large, "", 7),
        (
            PUT,
            99,
            &full,
            keeps_large,
            "the store answers 507: Full: No room.",
            ANY,
        ),
        ("POST /mail/x/bodies", 2, &late, keeps_large, "", 4),
        (GET, 2, &half, reads, "", 3),
        (GET, 2, &slow, reads, "", 3),
        ("GET /mail/", 1, &slow, lists, "", 3),
        ("GET /mail/", 9, &bucket, lists, nowhere, 1),
        ("HEAD /mail/x/bodies", 1, &slow, removes, "", 2),
        ("HEAD /mail/x/bodies", 9, &none, removes, absent, 1),
    ];
    for (to, wrongly, answer, doing, expected, times) in table {
        let fault = fault(to, wrongly, answer.clone());
        let (said, asked) = with_fault(&fault, doing);
        let words = said.as_ref().map(ToString::to_string).unwrap_or_default();
        let is_expected = match expected {
            "" => words.is_empty(),
            expected => words.starts_with(expected),
        };
        assert!(is_expected, "{fault:?}: {words}");
        let is_absent = said.is_some_and(|error| error.kind() == ErrorKind::NotFound);
        assert_eq!(is_absent, expected == absent, "{fault:?}");
        assert!(times == ANY || asked == times, "{fault:?}: {asked}");
    }
}

/// Does something while the store does something wrong: why it was not done, and how often it was
/// asked for what it does wrong.
fn with_fault(fault: &Fault, doing: Doing) -> (Option<io::Error>, usize) {
    let server = Server::start();
    let bucket = far(&server);
    for name in ["there", "there2", "there3"] {
        keep(&bucket, &format!("bodies/{name}"), b"there").unwrap();
    }
    {
        let mut stored = server.stored.lock().unwrap();
        stored.asked.clear();
        stored.faults.push(fault.clone());
    }
    let said = doing(&bucket).err();
    let stored = server.stored.lock().unwrap();
    // Nothing of it is left half done.
    assert!(stored.uploads.is_empty(), "{fault:?}");
    let drafts = stored.objects.keys().filter(|name| name.contains("drafts"));
    assert_eq!(drafts.count(), 0, "{fault:?}");
    let asked = stored
        .asked
        .iter()
        .filter(|asked| asked.starts_with(fault.to));
    (said, asked.count())
}

#[test]
fn another_object_under_the_same_name_is_told() {
    let server = Server::start();
    let bucket = far(&server);
    keep(&bucket, "bodies/one", &octets(1_000_000)).unwrap();
    let mut object = bucket.open("bodies/one").unwrap();
    keep(&far(&server), "bodies/one", &octets(1_000_001)).unwrap();
    let read = object.read(&mut [0; 10]);
    assert_eq!(kind(read), Some(ErrorKind::InvalidData));
    assert!(whole(&bucket, "bodies/one") == octets(1_000_001));
}

#[test]
fn small_reads_are_few_questions() {
    let server = Server::start();
    let bucket = far(&server);
    let octets = octets(20_000_000);
    keep(&bucket, "bodies/one", &octets).unwrap();
    let mut object = bucket.open("bodies/one").unwrap();
    server.stored.lock().unwrap().asked.clear();
    // As a restore does: one after the other, some left out, now and then from two places.
    let mut piece = [0; 900];
    for at in (0..19_000_000).step_by(1000) {
        for at in [at, at / 2] {
            object.seek(SeekFrom::Start(at)).unwrap();
            object.read_exact(&mut piece).unwrap();
            let at = usize::try_from(at).unwrap();
            assert!(piece[..] == octets[at..at + 900]);
        }
    }
    let asked = server.stored.lock().unwrap().asked.len();
    assert!(asked < 12, "{asked} questions");
}

#[test]
fn uploads_that_nobody_finishes_are_given_up() {
    let server = Server::start();
    let fails = [
        fault("POST /mail/x/bodies", 0, Wrong::Raw("")),
        fault(
            "DELETE /mail/x/bodies",
            99,
            Wrong::Refused(403, "AccessDenied", "No."),
        ),
        fault(
            "PUT /mail/x/bodies",
            99,
            Wrong::Refused(403, "AccessDenied", "No."),
        ),
    ];
    server.stored.lock().unwrap().faults = fails.to_vec();
    let said = keep(&far(&server), "bodies/one", &octets(LARGE)).unwrap_err();
    assert!(said.to_string().contains("AccessDenied"), "{said}");
    {
        let mut stored = server.stored.lock().unwrap();
        assert_eq!(stored.uploads.len(), 1);
        stored.faults.clear();
    }
    let bucket = far(&server);
    drop(bucket.hold().unwrap());
    let stored = server.stored.lock().unwrap();
    assert!(stored.uploads.is_empty());
    assert_eq!(stored.objects.len(), 0, "{:?}", stored.objects.keys());
}

/// The lock of somebody else.
fn lock(machine: &str, pid: u64) -> Vec<u8> {
    let about = serde_json::json!({
        "lock": 1, "id": "other", "host": "mx.example.org", "machine": machine, "pid": pid,
        "began": "1", "since": "2026-11-28T06:00:00Z", "renewals": 3,
    });
    about.to_string().into_bytes()
}

#[test]
fn whose_lock_it_is() {
    let here = lock::machine().unwrap();
    let ours = u64::from(std::process::id());
    // The lock that is there, how old it is, and whether it is taken over.
    for (there, seconds, is_taken) in [
        (lock("elsewhere", 1), 0, false),
        (lock("elsewhere", 1), 290, false),
        (lock("elsewhere", 1), 300, true),
        // A process that has this number, and began at another time; one that is not there.
        (lock(&here, ours), 0, true),
        (lock(&here, u64::MAX), 0, true),
        (b"no lock of ours".to_vec(), 10, false),
        (b"no lock of ours".to_vec(), 400, true),
    ] {
        let server = Server::start();
        {
            let mut stored = server.stored.lock().unwrap();
            let since = stored.now - seconds;
            stored
                .objects
                .insert("x/lock".to_owned(), (there.clone(), since));
        }
        let bucket = far(&server);
        match bucket.hold() {
            Ok(held) => {
                assert!(is_taken, "{seconds}");
                drop(held);
                assert!(server.stored.lock().unwrap().objects.is_empty());
            }
            Err(error) => {
                assert!(!is_taken, "{error}");
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                let words = error.to_string();
                assert!(
                    words.contains("its lock is good until 2027-01-15T08:0"),
                    "{words}"
                );
                let stored = server.stored.lock().unwrap();
                assert_eq!(stored.objects["x/lock"].0, there);
            }
        }
    }
}

#[test]
fn a_lock_is_asked_for_under_conditions_and_without() {
    for is_simple in [false, true] {
        let server = Server::start();
        server.stored.lock().unwrap().is_simple = is_simple;
        let (one, other) = (far(&server), far(&server));
        let held = one.hold().unwrap();
        assert_eq!(
            kind(other.hold()),
            Some(ErrorKind::WouldBlock),
            "{is_simple}"
        );
        // Renewed, it is another object and the same lock.
        let before = server.stored.lock().unwrap().objects["x/lock"].0.clone();
        one.0.lease.confirm(&one.0, true).unwrap();
        assert!(server.stored.lock().unwrap().objects["x/lock"].0 != before);
        keep(&one, "manifests/one", b"backup").unwrap();
        // Taken away, nothing is a backup any more, and nothing is removed.
        let now = server.stored.lock().unwrap().now;
        let taken = (lock("elsewhere", 1), now);
        server
            .stored
            .lock()
            .unwrap()
            .objects
            .insert("x/lock".to_owned(), taken);
        let said = keep(&one, "manifests/two", b"backup")
            .unwrap_err()
            .to_string();
        assert_eq!(
            said,
            "the lock was taken over by process 1 of mx.example.org, since 2026-11-28T06:00:00Z"
        );
        assert!(one.remove("manifests/one").is_err());
        drop(held);
        let stored = server.stored.lock().unwrap();
        let names: Vec<&String> = stored.objects.keys().collect();
        assert_eq!(names, ["x/lock", "x/manifests/one"]);
    }
    // A store that knows no conditions says so; one whose answer is lost has done it.
    for wrong in [Wrong::Refused(501, "NotImplemented", "No."), Wrong::Unsaid] {
        let server = Server::start();
        server.stored.lock().unwrap().faults = vec![fault("PUT /mail/x/lock", 1, wrong)];
        let (one, other) = (far(&server), far(&server));
        let held = one.hold().unwrap();
        assert_eq!(kind(other.hold()), Some(ErrorKind::WouldBlock));
        drop(held);
        drop(other.hold().unwrap());
    }
}
