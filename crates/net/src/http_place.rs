//! Something that is handed over to an HTTP server beside us, and what it answers; the connection
//! lasts as long.
//!
//! Such a server is the owner's own, so it may be spoken to in the clear, and by a socket in the
//! file system. Not here: what is handed over, what the answer means.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{HOST, HeaderName, HeaderValue};
use hyper::{Method, Request};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::http::{self, Clear, HttpError, Named};
use crate::{Encryption, Socket};

/// What can be asked here.
const PLACE: &str = "URL with http:// or https://, and no unix: with the path of a socket";

/// An HTTP server of the owner's.
#[derive(Clone, Debug)]
pub struct HttpPlace {
    /// As the header field `Host` has it.
    authority: HeaderValue,
    /// What stands before all paths; without a slash at its end.
    path: String,
    way: Way,
}

#[derive(Clone, Debug)]
enum Way {
    Tcp(Named),
    Unix(PathBuf),
}

impl HttpPlace {
    /// The server with this URL: `http://`, `https://`, or `unix:` with the path of a socket.
    /// Certificates are checked with the authorities in the PEM file `authorities`, or with the
    /// system's.
    ///
    /// # Errors
    /// [`HttpError::Place`], or no authority can be read.
    pub fn new(url: &str, authorities: Option<&Path>) -> Result<Self, HttpError> {
        if let Some(path) = url.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            if !path.is_absolute() {
                return Err(HttpError::Place(PLACE));
            }
            return Ok(Self {
                authority: HeaderValue::from_static("localhost"),
                path: String::new(),
                way: Way::Unix(path),
            });
        }
        let (server, uri) = Named::of(url, authorities, (PLACE, Clear::Anywhere))?;
        if uri.query().is_some() {
            return Err(HttpError::Place(PLACE));
        }
        Ok(Self {
            authority: server.authority.clone(),
            path: uri.path().trim_end_matches('/').to_owned(),
            way: Way::Tcp(server),
        })
    }

    /// Posts something to a path of this server, with these header fields, and waits for an answer
    /// of status 200 and of at most `octets_max`, all within `limit`.
    ///
    /// # Errors
    /// Any but [`HttpError::Place`] and those of an [`HttpHost`](crate::HttpHost).
    pub async fn post(
        &self,
        path: &str,
        fields: &[(&str, String)],
        body: Bytes,
        (octets_max, limit): (usize, Duration),
    ) -> Result<Bytes, HttpError> {
        let request = self.request(path, fields, body)?;
        // Boxed, so that its size is paid only while it lasts.
        let exchange = Box::pin(self.exchange(request, octets_max, limit));
        let ended = timeout(limit, exchange).await;
        ended.unwrap_or(Err(HttpError::Slow))
    }

    fn request(
        &self,
        path: &str,
        fields: &[(&str, String)],
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, HttpError> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        let whole = format!("{}{path}", self.path);
        *request.uri_mut() = whole.parse().map_err(|_| HttpError::Place(PLACE))?;
        let map = request.headers_mut();
        map.insert(HOST, self.authority.clone());
        for (name, value) in fields {
            let wrong = || HttpError::Field((*name).to_owned());
            let field = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
            let mut value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| wrong())?;
            // None of it belongs into a log.
            value.set_sensitive(true);
            map.try_append(field, value).map_err(|_| wrong())?;
        }
        Ok(request)
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        octets_max: usize,
        limit: Duration,
    ) -> Result<Bytes, HttpError> {
        let read = async |response| http::body_if_ok(response, octets_max).await;
        match &self.way {
            Way::Unix(path) => {
                let socket = Socket::Unix(UnixStream::connect(path).await?);
                http::over(socket, Encryption::None, request, read, limit).await
            }
            Way::Tcp(server) => {
                let (addresses, encryption) = (server.addresses().await?, server.encryption());
                http::exchange(&addresses, encryption, request, read, limit).await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, UnixListener};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn places() {
        let known = |url: &str| HttpPlace::new(url, None);
        for (url, path) in [
            ("http://127.0.0.1:11333", ""),
            ("http://rspamd/", ""),
            ("http://[::1]:80/behind/it/", "/behind/it"),
            ("unix:/run/rspamd.sock", ""),
        ] {
            assert_eq!(known(url).unwrap().path, path, "{url}");
        }
        for url in [
            "",
            "127.0.0.1:11333",
            "ftp://localhost/",
            "http://user@localhost/",
            "http://localhost/?a=b",
            "unix:run/x",
            "/run/x",
        ] {
            assert!(matches!(known(url), Err(HttpError::Place(PLACE))), "{url}");
        }
    }

    /// Answers one request with these octets; what it was asked.
    async fn answering(listener: TcpListener, answer: &str) -> String {
        let (mut socket, _) = listener.accept().await.unwrap();
        let (mut asked, mut octets) = (Vec::new(), [0; 1024]);
        while !asked.ends_with(b"letter") {
            let count = socket.read(&mut octets).await.unwrap();
            asked.extend_from_slice(&octets[..count]);
        }
        socket.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(asked).unwrap()
    }

    #[tokio::test]
    async fn what_is_asked_and_answered() {
        let fields = [
            ("Rcpt", "a@b".to_owned()),
            ("Rcpt", "ü@b".to_owned()),
            ("IP", "192.0.2.1".to_owned()),
        ];
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nyes!", "yes!"),
            ("HTTP/1.0 200 OK\r\n\r\nyes!", "yes!"),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nyes!\r\n0\r\n\r\n",
                "yes!",
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nyes!!",
                "the answer is longer than 4 octets",
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\nContent-Length: 1\r\n\r\nx",
                "the answer is compressed",
            ),
            (
                "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n",
                "the answer is 403 Forbidden",
            ),
            ("220 mx.example ESMTP\r\n", "speaking HTTP: "),
            ("", "speaking HTTP: "),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/x/", listener.local_addr().unwrap());
            let place = HttpPlace::new(&url, None).unwrap();
            let letter = Bytes::from_static(b"letter");
            let posted = place.post("/checkv2", &fields, letter, (4, SECOND * 30));
            let (said, asked) = tokio::join!(posted, answering(listener, answer));
            let said = match said {
                Ok(octets) => String::from_utf8(octets.to_vec()).unwrap(),
                Err(error) => error.to_string(),
            };
            assert!(said.starts_with(expected), "{answer}: {said}");
            assert!(asked.starts_with("POST /x/checkv2 HTTP/1.1\r\n"), "{asked}");
            for field in ["rcpt: a@b\r\nrcpt: ü@b\r\n", "content-length: 6\r\n"] {
                assert!(asked.contains(field), "{asked}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_waited_for_without_end() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let place = HttpPlace::new(&format!("unix:{}", path.display()), None).unwrap();
        let post = |fields: Vec<(&'static str, String)>| {
            let place = place.clone();
            async move { place.post("/", &fields, Bytes::new(), (9, SECOND)).await }
        };
        let silent = post(Vec::new()).await;
        assert!(matches!(silent, Err(HttpError::Slow)), "{silent:?}");
        let wrong = post(vec![("Helo", "a\r\nUser: root".to_owned())]).await;
        assert!(matches!(wrong, Err(HttpError::Field(_))), "{wrong:?}");
        drop(listener);
        let gone = post(Vec::new()).await;
        assert!(matches!(gone, Err(HttpError::Connect(_))), "{gone:?}");
    }
}
