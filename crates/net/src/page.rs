//! Pages that programs ask for by HTTP: each is made anew for whoever asks.
//!
//! Not here: what is on them. RFC 9110 and 9112 by hyper.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};

use crate::{Stop, Stream};

/// Octets that the head of a question may have.
const HEAD_OCTETS_MAX: usize = 16 * 1024;
/// Fields that it may have.
const FIELDS_MAX: usize = 64;
/// How long a question may take to come, and a connection may be silent.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its media type, with parameters.
    pub media_type: &'static str,
    /// What is on it.
    pub text: String,
}

/// Answers what one peer asks by GET or HEAD until it goes, or for a minute says nothing; `find`
/// makes the page of a path, where there is one.
///
/// # Errors
/// Where the peer does not speak HTTP/1.1, or the connection breaks.
pub async fn serve_pages(
    stream: Stream,
    find: impl Fn(&str) -> Option<Page> + Send + Sync + 'static,
    mut stop: Stop,
) -> Result<(), hyper::Error> {
    let find = Arc::new(find);
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer(&request, find.as_ref());
        async move { Ok::<_, Infallible>(answer) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_OCTETS_MAX)
        .max_headers(FIELDS_MAX);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        biased;
        () = stop.asked() => Ok(()),
        ended = connection => ended,
    }
}

fn answer<B>(request: &Request<B>, find: &impl Fn(&str) -> Option<Page>) -> Response<Full<Bytes>> {
    let is_known = matches!(*request.method(), Method::GET | Method::HEAD);
    let page = find(request.uri().path());
    let (status, media_type, text) = match page {
        None => (
            StatusCode::NOT_FOUND,
            PLAIN,
            "There is no such page\n".into(),
        ),
        Some(_) if !is_known => {
            let text = "This page can only be read\n".into();
            (StatusCode::METHOD_NOT_ALLOWED, PLAIN, text)
        }
        Some(page) => (StatusCode::OK, page.media_type, page.text),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // RFC 9110 §15.5.6
    if status == StatusCode::METHOD_NOT_ALLOWED {
        fields.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

const PLAIN: &str = "text/plain; charset=utf-8";

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::{Encryption, Socket, Stopper};

    /// What is answered to these octets, until the connection is closed.
    async fn asked(octets: &str) -> String {
        let (mut near, far) = tokio::io::duplex(1 << 20);
        let find = |path: &str| {
            (path == "/metrics").then(|| Page {
                media_type: PLAIN,
                text: "one 1\n".into(),
            })
        };
        let stopper = Stopper::default();
        let far = Stream::plain(Socket::Memory(far), Encryption::None);
        let served = tokio::spawn(serve_pages(far, find, stopper.listen()));
        near.write_all(octets.as_bytes()).await.unwrap();
        let mut said = String::new();
        near.read_to_string(&mut said).await.unwrap();
        drop(served.await.unwrap());
        said
    }

    #[tokio::test]
    async fn pages_are_read_and_nothing_else() {
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(HEAD_OCTETS_MAX));
        let many = format!(
            "GET /metrics HTTP/1.1\r\n{}\r\n",
            "a: b\r\n".repeat(FIELDS_MAX + 1)
        );
        for (octets, begins, ends) in [
            (
                "GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n",
                "HTTP/1.1 200 ",
                "\r\n\r\none 1\n",
            ),
            (
                "GET /metrics?a=b HTTP/1.1\r\nConnection: close\r\n\r\n",
                "HTTP/1.1 200 ",
                "one 1\n",
            ),
            ("GET /metrics HTTP/1.0\r\n\r\n", "HTTP/1.0 200 ", "one 1\n"),
            (
                "HEAD /metrics HTTP/1.1\r\nConnection: close\r\n\r\n",
                "HTTP/1.1 200 ",
                "\r\n\r\n",
            ),
            (
                "GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
                "HTTP/1.1 404 ",
                "no such page\n",
            ),
            (
                "GET /metrics/ HTTP/1.1\r\nConnection: close\r\n\r\n",
                "HTTP/1.1 404 ",
                "no such page\n",
            ),
            (
                "DELETE /metrics HTTP/1.1\r\nConnection: close\r\n\r\n",
                "HTTP/1.1 405 ",
                "be read\n",
            ),
            (&long, "HTTP/1.1 4", ""),
            (&many, "HTTP/1.1 4", ""),
            ("EHLO x\r\n\r\n", "HTTP/1.1 400 ", ""),
        ] {
            let said = asked(octets).await;
            assert!(
                said.starts_with(begins) && said.ends_with(ends),
                "{octets}: {said}"
            );
        }
    }
}
