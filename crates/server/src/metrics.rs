//! What is counted, as a page for programs that watch (Prometheus and those that read its text).
//!
//! Not here: what counts (`post::Tallied`, `store::Stats`), HTTP (`net`).

use std::fmt::{Display, Write as _};

use net::{Clock, Page};
use post::Tallied;

use crate::settings::Protocol;
use crate::visit::{Hall, Visit};

/// Where the page is.
const PATH: &str = "/metrics";
const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers one peer until it has gone.
pub(crate) fn converse(visit: Visit) -> impl Future<Output = ()> + Send + 'static {
    let (hall, stream, peer, stop) = visit.into_parts();
    async move {
        let find = move |path: &str| {
            (path == PATH).then(|| Page {
                media_type: MEDIA_TYPE,
                text: text(&hall),
            })
        };
        if let Err(error) = net::serve_pages(stream, find, stop).await {
            tracing::debug!(conn = %peer.conn, %error, "broken off");
        }
    }
}

/// The page under way.
#[derive(Default)]
struct Text(String);

impl Text {
    /// A family of figures: `name`, its kind (`counter`, `gauge`), what it is, and each of them
    /// with its label.
    fn family<L: Display, N: Display>(
        &mut self,
        (name, kind): (&str, &str),
        help: &str,
        figures: impl IntoIterator<Item = (L, N)>,
    ) {
        // Writing to a string does not fail.
        writeln!(
            self.0,
            "# HELP caramel_{name} {help}\n# TYPE caramel_{name} {kind}"
        )
        .unwrap_or_default();
        for (label, figure) in figures {
            writeln!(self.0, "caramel_{name}{label} {figure}").unwrap_or_default();
        }
    }

    fn counter(&mut self, name: &str, help: &str, figure: u64) {
        self.family((name, "counter"), help, [("", figure)]);
    }

    fn gauge(&mut self, name: &str, help: &str, figure: u64) {
        self.family((name, "gauge"), help, [("", figure)]);
    }
}

fn labelled<'a>(
    label: &'a str,
    figures: &'a [(&'static str, u64)],
) -> impl Iterator<Item = (String, u64)> + 'a {
    let figures = figures.iter();
    figures.map(move |(value, figure)| (format!("{{{label}=\"{value}\"}}"), *figure))
}

fn text(hall: &Hall) -> String {
    let mut text = Text::default();
    let uptime = Clock::today().seconds.saturating_sub(hall.began.seconds);
    text.family(
        ("info", "gauge"),
        "Which release this is.",
        [(format!("{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1)],
    );
    text.family(
        ("uptime_seconds", "gauge"),
        "Seconds since the server was started.",
        [("", uptime.max(0))],
    );
    let tally = hall.post.tally();
    connections(hall, &tally, &mut text);
    letters(&tally, &mut text);
    store(hall, &mut text);
    text.0
}

fn connections(hall: &Hall, tally: &Tallied, text: &mut Text) {
    let inside = hall.gallery.inside();
    let open = Protocol::ALL.map(|protocol| {
        let there = inside
            .iter()
            .filter(|one| one.beginning.protocol == protocol);
        let count = u64::try_from(there.count()).unwrap_or(u64::MAX);
        (protocol.name(), count)
    });
    text.family(
        ("connections", "gauge"),
        "Connections that are open.",
        labelled("protocol", &open),
    );
    let logins = [("succeeded", tally.logins), ("failed", tally.failed_logins)];
    text.family(
        ("logins_total", "counter"),
        "Times somebody logged in, or could not.",
        labelled("result", &logins),
    );
}

fn letters(tally: &Tallied, text: &mut Text) {
    text.gauge("accounts", "Accounts there are.", tally.accounts);
    let letters = [("accepted", tally.accepted), ("refused", tally.refused)];
    text.family(
        ("letters_total", "counter"),
        "Letters that came to their end by SMTP, LMTP or at this machine.",
        labelled("result", &letters),
    );
    text.family(
        ("events_total", "counter"),
        "What happened to letters, for each account or destination, as journeys tell it.",
        labelled("event", &tally.events),
    );
    text.family(
        ("attempts_total", "counter"),
        "What came of attempts to hand letters on, for each recipient.",
        labelled("result", &tally.attempts),
    );
    if let Some(queued) = tally.queued {
        text.gauge("queue_letters", "Letters that wait to leave.", queued);
    }
}

fn store(hall: &Hall, text: &mut Text) {
    let stats = hall.post.store_stats();
    for (name, help, figure) in [
        (
            "commits_total",
            "Steps that were made durable.",
            stats.commits,
        ),
        (
            "groups_total",
            "Steps that shared one sync count once here.",
            stats.groups,
        ),
        (
            "syncs_total",
            "Times the disk was made to keep what it has.",
            stats.syncs,
        ),
        (
            "log_octets_total",
            "Octets written to the log.",
            stats.log_octets,
        ),
        (
            "body_octets_total",
            "Octets of letters in files of their own.",
            stats.body_octets,
        ),
        (
            "checkpoints_total",
            "Times the view was made durable.",
            stats.checkpoints,
        ),
        (
            "full_total",
            "Steps that found no room on the disk.",
            stats.full,
        ),
    ] {
        text.counter(&format!("store_{name}"), help, figure);
    }
}
