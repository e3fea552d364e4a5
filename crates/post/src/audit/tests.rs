//! Each kind of difference is planted behind the house's back, and is found and repaired or named.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use mail::{Address, BlobId, FlagSet, Host, Instant, Rights, Role, Timestamp, UidValidity};
use store::{Batch, Boxed, Direction, Memory, Partition, Staged, Store, Table, Version};
use store::{Write, Writes};

use super::*;
use crate::access::{self, Grantee};
use crate::directory::rows;
use crate::tables::{self, DigestRow, Entry, FlagRun, MailboxRow};
use crate::{Account, Outside, Rules};

const DATE: Timestamp = Timestamp::utc(1_700_000_000);
const LETTER: &str = "Subject: Tea\r\n\r\nAt five o'clock, with the usual cake?\r\n";
/// As the first mailboxes are numbered.
const INBOX: MailboxId = MailboxId(1);
const GONE: MailboxId = MailboxId(77);

#[derive(Debug, Default)]
struct Still(AtomicU64);

impl Outside for Still {
    fn now(&self) -> Timestamp {
        DATE
    }

    fn instant(&self) -> Instant {
        Instant::default()
    }

    fn fill(&self, octets: &mut [u8]) {
        for octet in octets {
            let thrown = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            *octet = thrown.to_be_bytes()[1];
        }
    }

    fn run_heavy(&self, work: Box<dyn FnOnce() + Send>) {
        work();
    }

    fn detach(&self, work: Boxed<'static, ()>) {
        drop(work);
    }
}

fn whole() -> Audit<'static> {
    Audit {
        every: 1,
        turn: 0,
        repairs: true,
        pace: &AtOnce,
    }
}

async fn open(store: &Memory) -> Post {
    let rules = Rules {
        argon2_kibibytes: 8,
        argon2_passes: 1,
        scram_iterations: 2,
        ..Rules::new(Host::parse("mx.example.org").unwrap())
    };
    let outside = Arc::new(Still::default());
    Post::open(Arc::new(store.clone()), outside, rules)
        .await
        .unwrap()
}

/// A house with ada and eve; ada has three letters in her inbox and a copy of one in the archive.
async fn house() -> (Memory, AccountId) {
    let store = Memory::new();
    let post = open(&store).await;
    post.add_domain(&Host::parse("example.org").unwrap())
        .await
        .unwrap();
    post.add_account(&address("eve"), "eve").await.unwrap();
    let ada = post.add_account(&address("ada"), "ada").await.unwrap();
    let account = post.account(ada).await.unwrap();
    for _ in 0..3 {
        let letter = account.append("INBOX", FlagSet::default(), None, None);
        let mut letter = letter.await.unwrap();
        letter.chunk(LETTER.into()).await.unwrap();
        letter.commit().await.unwrap();
    }
    let first = mail::UidSet::from_range(Uid::MIN..=Uid::MIN);
    account.copy(INBOX, &first, "Archive").await.unwrap();
    (store, ada)
}

fn address(name: &str) -> Address {
    Address::parse(&format!("{name}@example.org")).unwrap()
}

async fn plant(store: &Memory, partition: Partition, writes: Vec<Write>, blobs: Vec<Staged>) {
    // A store refuses a row about a letter that is not there: it is planted as any row.
    let plain = |write| match write {
        Write::PutBeside { table, key, value } => Write::Put { table, key, value },
        other => other,
    };
    let writes: Vec<Write> = writes.into_iter().map(plain).collect();
    let from = store.version(partition).await.unwrap();
    let part = Writes {
        partition,
        from,
        writes,
    };
    let batch = Batch {
        parts: vec![part],
        blobs,
    };
    store.commit(batch).await.unwrap();
}

async fn rows(store: &Memory, ada: AccountId, table: Table) -> Vec<store::Row> {
    let all = (Bytes::new(), None);
    let page = store.scan(Partition(ada.0), table, all, 1000, Direction::Rising);
    page.await.unwrap().rows
}

/// The first entry of the inbox.
async fn entry(store: &Memory, ada: AccountId) -> Entry {
    let rows = rows(store, ada, tables::ENTRIES).await;
    Entry::read(&rows[0].key, &rows[0].value).unwrap().1
}

async fn email(store: &Memory, ada: AccountId) -> EmailRow {
    let rows = rows(store, ada, tables::EMAILS).await;
    let row = EmailRow::read(&rows[0].value).unwrap();
    let rows = self::rows(store, ada, tables::DIGESTS).await;
    row.with(DigestRow::read(&rows[0].value))
}

async fn counters(store: &Memory, ada: AccountId) -> Counters {
    let rows = rows(store, ada, tables::COUNTERS).await;
    Counters::read(&rows[0].value).unwrap()
}

/// What is planted with whom, and what is to be found: each kind, and whether it is repaired.
struct Case {
    writes: Vec<Write>,
    blobs: Vec<Staged>,
    found: Vec<(Kind, bool)>,
}

fn case(writes: impl IntoIterator<Item = Write>, found: &[(Kind, bool)]) -> Case {
    Case {
        writes: writes.into_iter().collect(),
        blobs: Vec::new(),
        found: found.to_vec(),
    }
}

async fn judge(name: &str, case: Case) {
    let (store, ada) = house().await;
    plant(&store, Partition(ada.0), case.writes, case.blobs).await;
    let only_told = Audit {
        repairs: false,
        ..whole()
    };
    let told = open(&store).await.audit_account(ada, &only_told).await;
    let told = told.unwrap();
    assert_eq!(told.repaired, 0, "{name}");
    assert!(told.found > 0, "{name}: nothing was told");

    let post = open(&store).await;
    let found = post.audit_account(ada, &whole()).await.unwrap();
    let kinds = found.differences.iter();
    let kinds: Vec<_> = kinds.map(|found| (found.kind, found.repaired)).collect();
    assert_eq!(kinds, case.found, "{name}: {:?}", found.differences);
    let status = post.audit_status();
    assert_eq!(
        (status.found, status.repaired),
        (found.found, found.repaired)
    );

    // What was repaired is whole, in memory and after a restart; what was named stays.
    let named: Vec<_> = kinds.into_iter().filter(|(_, done)| !done).collect();
    for post in [post, open(&store).await] {
        let again = post.audit_account(ada, &whole()).await.unwrap();
        let again: Vec<_> = again
            .differences
            .iter()
            .map(|one| (one.kind, false))
            .collect();
        assert_eq!(again, named, "{name}");
    }
}

#[tokio::test]
async fn a_whole_account_has_no_differences() {
    let (store, ada) = house().await;
    let post = open(&store).await;
    let found = post.audit_account(ada, &whole()).await.unwrap();
    assert_eq!(found.differences, []);
    let Findings {
        mailboxes,
        messages,
        bodies,
        read,
        postponed,
        ..
    } = found;
    assert_eq!(
        (mailboxes, messages, bodies, read, postponed),
        (6, 4, 3, 3, 0)
    );
    let found = post.audit_directory(&whole()).await.unwrap();
    assert_eq!(found.differences, []);
    let seldom = Audit {
        every: 3,
        ..whole()
    };
    let found = post.audit_account(ada, &seldom).await.unwrap();
    assert_eq!((found.bodies, found.read), (3, 1));
}

#[tokio::test]
async fn what_is_counted_wrong_is_counted_anew() {
    let (store, ada) = house().await;
    let told = counters(&store, ada).await;
    let wrong = Counters {
        usage: crate::Usage {
            octets: 7,
            messages: 1,
        },
        ..told
    };
    judge("usage", case([wrong.put()], &[(Kind::Counters, true)])).await;
    let low = Counters { mailbox: 1, ..told };
    judge("mailbox ids", case([low.put()], &[(Kind::Bounds, true)])).await;
    let low = Counters {
        modseq: mail::ModSeq(1),
        ..told
    };
    judge("lines", case([low.put()], &[(Kind::Bounds, true)])).await;
    let low = Counters { email: 1, ..told };
    judge(
        "emails",
        case([low.put()], &[(Kind::Bounds, true), (Kind::Bounds, true)]),
    )
    .await;
    let next = tables::put_next_uid(INBOX, Some(Uid::MIN));
    judge("next UID", case([next], &[(Kind::NextUid, true)])).await;
}

#[tokio::test]
async fn rows_of_mailboxes_that_are_gone_go() {
    let grantee = Grantee {
        negative: false,
        account: AccountId(1),
    };
    let runs = [FlagRun {
        low: Uid::MIN,
        high: Uid::MIN,
        system: 0,
        keywords: 0,
    }];
    let orphan = [(Kind::Orphan, true)];
    for (name, write) in [
        ("next UID", tables::put_next_uid(GONE, Uid::new(4))),
        ("rights", access::put(GONE, grantee, Rights::ALL)),
        ("note", tables::put_metadata(GONE, "/private/comment", b"x")),
        ("runs", tables::put_flag_runs(mail::ModSeq(1), GONE, &runs)),
    ] {
        judge(name, case([write], &orphan)).await;
    }
}

#[tokio::test]
async fn letters_whose_mailbox_is_gone_get_one() {
    let (store, ada) = house().await;
    let kept = entry(&store, ada).await;
    let lost = Entry {
        email: EmailId(3),
        ..kept
    };
    let found = [(Kind::LostMailbox, true), (Kind::NextUid, true)];
    // The counters do not know of it, nor does the mailbox's id come from them.
    let mut all = vec![(Kind::Bounds, true)];
    all.extend(found);
    plant(&store, Partition(ada.0), vec![lost.put(GONE)], Vec::new()).await;
    let post = open(&store).await;
    let found = post.audit_account(ada, &whole()).await.unwrap();
    let kinds: std::collections::BTreeSet<_> =
        found.differences.iter().map(|one| one.kind).collect();
    let wanted: std::collections::BTreeSet<_> = all.iter().map(|(kind, _)| *kind).collect();
    assert!(kinds.is_superset(&wanted), "{:?}", found.differences);
    assert!(found.is_sound());
    let again = post.audit_account(ada, &whole()).await.unwrap();
    assert_eq!(again.differences, []);
    let account = post.account(ada).await.unwrap();
    assert_eq!(account.open("Recovered").await.unwrap().uids.len(), 1);
}

#[tokio::test]
async fn what_is_told_of_a_letter_is_what_it_has() {
    let (store, ada) = house().await;
    let (kept, row) = (entry(&store, ada).await, email(&store, ada).await);
    let wrong = Entry {
        size: kept.size + 1,
        ..kept
    };
    let size = [(Kind::Counters, true), (Kind::Size, true)];
    judge("an entry's size", case([wrong.put(INBOX)], &size)).await;
    let wrong = Entry {
        keywords: 1 << 9,
        ..kept
    };
    let wrong_end = Entry {
        unended: true,
        ..kept
    };
    let last = [(Kind::LastLine, true)];
    judge("a last line", case([wrong_end.put(INBOX)], &last)).await;
    let keyword = [(Kind::Keyword, true)];
    judge("a keyword", case([wrong.put(INBOX)], &keyword)).await;
    let wrong = EmailRow {
        outline: Some(Bytes::from_static(b"nonsense")),
        ..row.clone()
    };
    let outline = [(Kind::Outline, true)];
    judge("an outline", case(wrong.put(EmailId(1)), &outline)).await;
    let wrong = EmailRow {
        preview: Some(Bytes::from_static(b"nonsense")),
        ..row.clone()
    };
    let preview = [(Kind::Preview, true)];
    judge("a preview", case(wrong.put(EmailId(1)), &preview)).await;
    let wrong = EmailRow {
        size: row.size - 1,
        ..row.clone()
    };
    let size = [(Kind::Size, true)];
    judge("a row's size", case(wrong.put(EmailId(1)), &size)).await;
}

#[tokio::test]
async fn a_letter_that_cannot_be_read_is_named_and_stays() {
    let (store, ada) = house().await;
    let row = email(&store, ada).await;
    let missing = EmailRow {
        blob: BlobId([9; 32]),
        ..row.clone()
    };
    let found = [(Kind::NoBody, false)];
    judge("no body", case(missing.put(EmailId(1)), &found)).await;
    let mut false_body = Staged::of(Bytes::from(LETTER.replace("five", "nine")));
    false_body.blob = BlobId([8; 32]);
    let damaged = EmailRow {
        blob: false_body.blob,
        size: false_body.len,
        ..row
    };
    let damaged = Case {
        blobs: vec![false_body],
        ..case(damaged.put(EmailId(1)), &[(Kind::DamagedBody, false)])
    };
    judge("a damaged body", damaged).await;
    // It is in the inbox and in the archive.
    let found = [(Kind::NoEmail, false), (Kind::NoEmail, false)];
    judge("no row", case(EmailRow::delete(EmailId(1)), &found)).await;
    let garbage = Write::Put {
        table: tables::EMAILS,
        key: tables::email_key(EmailId(2)),
        value: Bytes::from_static(b"\xff"),
    };
    let (store, ada) = house().await;
    plant(&store, Partition(ada.0), vec![garbage], Vec::new()).await;
    let found = open(&store).await.audit_account(ada, &whole()).await;
    let found = found.unwrap();
    assert!(
        found
            .differences
            .iter()
            .all(|one| one.kind == Kind::Unreadable)
    );
    assert!(found.found > 0 && found.repaired == 0);
}

#[tokio::test]
async fn rows_of_letters_in_no_mailbox_go() {
    let (store, ada) = house().await;
    let row = email(&store, ada).await;
    let told = Counters {
        email: 9,
        ..counters(&store, ada).await
    };
    let found = [(Kind::OrphanEmail, true)];
    let planted = case(row.put(EmailId(9)).chain([told.put()]), &found);
    judge("an orphan", planted).await;
}

#[tokio::test]
async fn half_of_a_message_s_rows_is_made_again_or_goes() {
    let (store, ada) = house().await;
    let key = |id| tables::email_key(EmailId(id));
    let (table, outline) = (tables::DIGESTS, [(Kind::Outline, true)]);
    let gone = Write::Delete { table, key: key(1) };
    judge("no digest", case([gone], &outline)).await;
    let damaged = Write::Put {
        table,
        key: key(1),
        value: Bytes::from_static(b"\xff"),
    };
    judge("a damaged digest", case([damaged], &outline)).await;
    let stray = Write::Put {
        table,
        key: key(9),
        value: rows(&store, ada, table).await[0].value.clone(),
    };
    let nameless = Write::Put {
        table,
        key: Bytes::from_static(b"key"),
        value: Bytes::new(),
    };
    let found = [(Kind::OrphanEmail, true), (Kind::Unreadable, true)];
    judge("digests of nothing", case([stray, nameless], &found)).await;
}

#[tokio::test]
async fn rows_written_behind_the_memory_are_read_anew() {
    let (store, ada) = house().await;
    let post = open(&store).await;
    let account = post.account(ada).await.unwrap();
    let made = MailboxRow {
        name: "Behind".into(),
        uidvalidity: UidValidity::MIN,
        role: Some(Role::All),
        selectable: true,
        created: mail::ModSeq(1),
        keywords: Vec::new(),
    };
    let writes = vec![made.put(MailboxId(3))];
    plant(&store, Partition(ada.0), writes, Vec::new()).await;
    assert!(account.open("Behind").await.is_err());
    let found = post.audit_account(ada, &whole()).await.unwrap();
    assert_eq!(found.differences[0].kind, Kind::Memory);
    assert!(found.is_sound());
    assert!(account.open("Behind").await.is_ok());
    assert_eq!(account.subscriptions_told().await, 6);
}

#[tokio::test]
async fn what_is_shared_is_known_to_the_directory() {
    let (store, ada) = house().await;
    let eve = AccountId(1);
    let grantee = Grantee {
        negative: false,
        account: eve,
    };
    let right = access::put(INBOX, grantee, Rights::ALL);
    judge("a share", case([right], &[(Kind::Share, true)])).await;

    let mut house = rows::HouseRow::default();
    let all = store.scan(
        Partition::DIRECTORY,
        rows::HOUSE,
        (Bytes::new(), None),
        1,
        Direction::Rising,
    );
    for row in all.await.unwrap().rows {
        house = rows::HouseRow::read(&row.value).unwrap();
    }
    house.account = 1;
    let gone = AccountId(40);
    let writes = vec![rows::put_share((gone, ada)), house.put()];
    plant(&store, Partition::DIRECTORY, writes, Vec::new()).await;
    let post = open(&store).await;
    let found = post.audit_directory(&whole()).await.unwrap();
    assert_eq!(
        (found.found, found.repaired),
        (2, 2),
        "{:?}",
        found.differences
    );
    for post in [post, open(&store).await] {
        let again = post.audit_directory(&whole()).await.unwrap();
        assert_eq!(again.differences, []);
    }
}

#[tokio::test]
async fn what_is_left_of_an_account_goes() {
    let (store, ada) = house().await;
    let rows = rows(&store, ada, tables::COUNTERS).await;
    let post = open(&store).await;
    post.remove_account(&address("ada")).await.unwrap();
    // As long as it can come back nothing is missing.
    let found = post.audit_directory(&whole()).await.unwrap();
    assert_eq!(found.differences, []);
    post.purge_account(ada).await.unwrap();
    let left = Write::Put {
        table: tables::COUNTERS,
        key: Bytes::new(),
        value: rows[0].value.clone(),
    };
    plant(&store, Partition(ada.0), vec![left], Vec::new()).await;
    let post = open(&store).await;
    let found = post.audit_directory(&whole()).await.unwrap();
    assert_eq!((found.found, found.repaired), (1, 1));
    assert_eq!(
        found.differences[0].to_string(),
        "directory: account 2 is gone, but not all of its rows (repaired)"
    );
    let again = post.audit_directory(&whole()).await.unwrap();
    assert_eq!(again.differences, []);
    assert_ne!(
        store.version(Partition(ada.0)).await.unwrap(),
        Version::default()
    );
}

impl Account {
    async fn subscriptions_told(&self) -> usize {
        self.look(|ledger| ledger.subscriptions.len())
            .await
            .unwrap()
    }
}
