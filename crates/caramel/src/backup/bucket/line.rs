//! The way to an object store: HTTP, asked again where that may help, within limits.
//!
//! Asked again is what the store could not do just now (408, 429 and 5xx), and what got lost on the
//! way; each time after a longer pause. What it refuses is told at once, in its own words.
//!
//! Not here: what is asked and how it is signed (`object_store`), connections (`net`).

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use net::{Clock, HttpHost};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};

/// How long one question may take, until all of its answer is there.
const QUESTION_MAX: Duration = Duration::from_secs(300);
/// How long a question is asked again: its signature is good for 15 minutes.
const ASKING_MAX: Duration = Duration::from_secs(600);
/// Times that a question is asked.
const TIMES_MAX: u32 = 8;
/// The pause before it is asked the second time; then it is twice as long each time.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(8);
/// Octets of an answer.
const ANSWER_OCTETS_MAX: usize = 128 << 20;
/// S3's word for a bucket that is not there.
const NO_BUCKET: &str = "NoSuchBucket";
/// Letters of a store's words that are told.
const WORDS_MAX: usize = 300;

/// What a store says where it does not do what it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The status of HTTP.
    pub(super) status: u16,
    /// Its own word for it; empty where it has none.
    code: String,
    words: String,
    /// Times that it was asked.
    times: u32,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store answers {}", self.status)?;
        for words in [&self.code, &self.words] {
            if !words.is_empty() {
                write!(f, ": {words}")?;
            }
        }
        Times(self.times).fmt(f)
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    /// What an answer refuses, if it does. Of an object that is not there, or is another, the
    /// library makes something.
    fn of(status: u16, body: &[u8]) -> Option<Self> {
        let is_error = |body: &[u8]| {
            let text = String::from_utf8_lossy(body.get(..1024).unwrap_or(body));
            text.contains("<Error>")
        };
        // A store begins to answer before it has put all parts together: then it may say no in a
        // 200.
        let status = match status {
            200 if body.len() < 8192 && is_error(body) => 500,
            200..=299 | 304 => return None,
            status => status,
        };
        let text = String::from_utf8_lossy(body);
        let code = element(&text, "Code");
        let is_of_object = matches!(status, 404 | 409 | 412) && code != NO_BUCKET;
        (!is_of_object).then(|| Self {
            status,
            code,
            words: element(&text, "Message"),
            times: 1,
        })
    }

    /// True if it may be done another time.
    fn is_passing(&self) -> bool {
        matches!(self.status, 408 | 429 | 500 | 502 | 503 | 504) || self.code == "RequestTimeout"
    }
}

/// What is in an element of this name, as far as it is told.
fn element(text: &str, name: &str) -> String {
    let behind = text.split_once(&format!("<{name}>"));
    let inside = behind.and_then(|(_, rest)| rest.split_once(&format!("</{name}>")));
    let mut words = inside.map_or("", |(inside, _)| inside).to_owned();
    for (written, meant) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&amp;", "&"),
    ] {
        words = words.replace(written, meant);
    }
    let told = words.chars().filter(|letter| !letter.is_control());
    told.take(WORDS_MAX).collect()
}

/// What is known of a store beside its answers.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Questions that were asked.
    asked: AtomicU64,
    /// What its clock showed, and when.
    clock: Mutex<Option<(i64, Instant)>>,
}

impl Heard {
    /// Questions that were asked.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// The time by the store's clock, or by ours where it tells none: seconds since 1970.
    pub(super) fn now(&self) -> i64 {
        let told = *self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        let since = |(clock, when): (i64, Instant)| {
            clock.saturating_add(i64::try_from(when.elapsed().as_secs()).unwrap_or(i64::MAX))
        };
        told.map_or_else(|| Clock::today().seconds, since)
    }

    fn note(&self, date: Option<&[u8]>) {
        if let Some(date) = date.and_then(message::parse_date) {
            let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
            *clock = Some((date.seconds, Instant::now()));
        }
    }
}

/// The way to a store.
#[derive(Clone, Debug)]
pub(super) struct Line {
    host: Arc<HttpHost>,
    heard: Arc<Heard>,
    pause: Duration,
}

impl Line {
    pub(super) const fn new(host: Arc<HttpHost>, heard: Arc<Heard>) -> Self {
        let pause = PAUSE;
        Self { host, heard, pause }
    }

    /// The same with another first pause.
    #[cfg(test)]
    pub(super) fn pausing(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (begun, mut pause, mut times) = (Instant::now(), self.pause, 0);
        loop {
            times += 1;
            let is_last = times >= TIMES_MAX || begun.elapsed() + pause > ASKING_MAX;
            match self.once(request.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(Trouble::Refused(refusal)) if is_last || !refusal.is_passing() => {
                    return Err(told(Refusal { times, ..refusal }));
                }
                Err(Trouble::Lost(error)) if is_last || !is_passing(&error) => {
                    return Err(told(Unheard { error, times }));
                }
                Err(Trouble::Refused(refusal)) => tracing::info!(%refusal, "asked again"),
                Err(Trouble::Lost(error)) => tracing::info!(%error, "asked again"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn once(&self, request: HttpRequest) -> Result<HttpResponse, Trouble> {
        self.heard.asked.fetch_add(1, Ordering::Relaxed);
        let asked = self
            .host
            .ask(request, ANSWER_OCTETS_MAX, QUESTION_MAX)
            .await;
        let (parts, body) = asked.map_err(Trouble::Lost)?.into_parts();
        let date = parts.headers.get("date");
        self.heard.note(date.map(|date| date.as_bytes()));
        match Refusal::of(parts.status.as_u16(), &body) {
            Some(refusal) => Err(Trouble::Refused(refusal)),
            None => Ok(HttpResponse::from_parts(parts, body.into())),
        }
    }
}

/// Why there is no answer that says anything.
enum Trouble {
    Refused(Refusal),
    Lost(net::HttpError),
}

/// What is not asked again, as the library hands it on.
fn told(error: impl std::error::Error + Send + Sync + 'static) -> HttpError {
    HttpError::new(HttpErrorKind::Decode, error)
}

/// True if what got lost may come through another time. A certificate that is not taken does not
/// change.
fn is_passing(error: &net::HttpError) -> bool {
    match error {
        net::HttpError::Connect(_)
        | net::HttpError::Http(_)
        | net::HttpError::Broken(_)
        | net::HttpError::Slow => true,
        net::HttpError::Tls(error) => error.certificate().is_none(),
        _ => false,
    }
}

/// There was no answer.
#[derive(Debug)]
pub(super) struct Unheard {
    error: net::HttpError,
    times: u32,
}

impl fmt::Display for Unheard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "asking the store: {}{}", self.error, Times(self.times))
    }
}

impl std::error::Error for Unheard {}

/// How often it was asked, if more than once.
struct Times(u32);

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => Ok(()),
            times => write!(f, " (asked {times} times)"),
        }
    }
}

impl HttpService for Line {
    fn call<'line, 'call>(
        &'line self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'call>>
    where
        'line: 'call,
        Self: 'call,
    {
        Box::pin(self.exchange(request))
    }
}

impl HttpConnector for Line {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}
