//! How many letters a house takes in a second when the disk costs nothing: the rules alone.

use std::sync::Arc;
use std::time::Instant as Stopwatch;

use bytes::Bytes;
use mail::{Address, BodyType, ForwardPath, Host, Instant, Recipient, ReversePath, Timestamp};
use message::Wanted;
use post::{FetchPlan, Origin, Outside, Post, Protocol, Rules, Sender};

#[derive(Debug)]
struct World;

impl Outside for World {
    fn now(&self) -> Timestamp {
        Timestamp::utc(1_700_000_000)
    }
    fn instant(&self) -> Instant {
        Instant::default()
    }
    fn fill(&self, octets: &mut [u8]) {
        octets.fill(7);
    }
    fn run_heavy(&self, work: Box<dyn FnOnce() + Send>) {
        work();
    }
    fn detach(&self, work: store::Boxed<'static, ()>) {
        drop(work);
    }
}

const LETTERS: u32 = 100_000;

/// What is read of all letters, and what that is called.
const FETCHES: [(&str, Wanted); 2] = [
    (
        "flags fetched",
        Wanted {
            digest: false,
            parts: false,
        },
    ),
    ("outlines fetched", Wanted::ALL),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rules = Rules::new(Host::parse("mx.example.org")?);
    let post = Post::open(Arc::new(store::Memory::new()), Arc::new(World), rules).await?;
    let ada = Address::parse("ada@example.org")?;
    post.add_domain(&ada.host).await?;
    let id = post.add_account(&ada, "x").await?;
    let body = "From: <bob@elsewhere.example>\r\nTo: ada@example.org\r\n\r\n".to_owned()
        + &"A line of seventy octets or so, as people write them in their letters.\r\n".repeat(12);
    let begun = Stopwatch::now();
    for number in 0..LETTERS {
        let origin = Origin {
            peer: "192.0.2.1".parse()?,
            helo: "mail.example.net".into(),
            protocol: Protocol::Esmtp,
            tls: None,
            account: None,
            user: None,
        };
        let sender = Sender {
            reverse_path: ReversePath::parse("<bob@elsewhere.example>")?,
            size: None,
            body: BodyType::SevenBit,
            smtputf8: false,
            ret: None,
            envid: None,
            tls: mail::TlsWish::Usual,
        };
        let mut letter = post.begin(origin, sender)?;
        letter
            .recipient(Recipient {
                forward_path: ForwardPath::parse("<ada@example.org>")?,
                notify: None,
                orcpt: None,
            })
            .await?;
        letter
            .chunk(Bytes::from(format!("X-Number: {number}\r\n{body}")))
            .await?;
        letter.commit().await?;
    }
    report("letters delivered", begun, LETTERS);

    let account = post.account(id).await?;
    let begun = Stopwatch::now();
    let inbox = account.open("INBOX").await?;
    report("messages opened", begun, LETTERS);

    for (what, outline) in FETCHES {
        let plan = FetchPlan {
            outline,
            ..FetchPlan::default()
        };
        let begun = Stopwatch::now();
        let (mut after, mut rows) = (None, 0_u32);
        loop {
            let page = account.fetch(inbox.id, &inbox.uids, after, &plan).await?;
            rows += u32::try_from(page.rows.len())?;
            after = page.more_after;
            if after.is_none() {
                break;
            }
        }
        report(what, begun, rows);
    }
    let begun = Stopwatch::now();
    let query = post::Query::Body("not there".into());
    account.search(inbox.id, &query).await?;
    report("bodies searched", begun, LETTERS);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a measurement for people")]
fn report(what: &str, begun: Stopwatch, count: u32) {
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{count} {what} in {seconds:.3} s: {:.0}/s",
        f64::from(count) / seconds
    );
}
