//! An HTTP server that is asked many things, one after the other and at once, over connections that
//! are kept.
//!
//! Not here: what is asked, what an answer means, whether it is asked again. No redirect is
//! followed, and no proxy is used. RFC 9110 and 9112 by hyper.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::HOST;
use hyper::http::uri::Authority;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::http::{self, Clear, HttpError, Named, usual_port};
use crate::{Socket, Stream};

/// Octets that the head of an answer may have, and what is read at once.
const BUFFER_OCTETS_MAX: usize = 256 * 1024;
/// How long a connection may take to be there, the handshake of TLS included.
const CONNECTING_MAX: Duration = Duration::from_secs(15);
/// How long a connection is kept that nothing is asked over: less than servers keep theirs.
const IDLE_MAX: Duration = Duration::from_secs(4);
/// Connections that are kept.
const IDLE_COUNT_MAX: usize = 8;
/// What can be asked here.
const PLACE: &str = "URL of an HTTP server: https:// or http://, and its name";

type Sender = SendRequest<Full<Bytes>>;

/// An HTTP server.
pub struct HttpHost {
    server: Named,
    idle: Mutex<Vec<(Sender, Instant)>>,
}

impl fmt::Debug for HttpHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HttpHost")
            .field(&self.server.authority)
            .finish()
    }
}

impl HttpHost {
    /// The server of this URL: `http://` or `https://`, a host, and a port where it is not the
    /// usual one. Certificates are checked with the authorities in the PEM file `authorities`, or
    /// with the system's.
    ///
    /// # Errors
    /// [`HttpError::Place`], [`HttpError::Clear`], or no authority can be read.
    pub fn new(url: &str, authorities: Option<&Path>, clear: Clear) -> Result<Self, HttpError> {
        let (server, uri) = Named::of(url, authorities, (PLACE, clear))?;
        if uri.query().is_some() {
            return Err(HttpError::Place(PLACE));
        }
        Ok(Self {
            server,
            idle: Mutex::default(),
        })
    }

    /// Asks for something, whose URI names this server, and reads the answer, of at most so many
    /// octets; all within `limit`. What is asked as the server closes a connection that was kept is
    /// asked again over a new one: so it may be heard twice.
    ///
    /// # Errors
    /// Any but those of [`Self::new`]; an answer of any status is none. [`HttpError::Connect`] and
    /// [`HttpError::Tls`] say that nothing was asked.
    pub async fn ask<B>(
        &self,
        request: Request<B>,
        octets_max: usize,
        limit: Duration,
    ) -> Result<Response<Bytes>, HttpError>
    where
        B: Body<Data = Bytes>,
    {
        let request = self.request(request).await?;
        // Boxed, so that its size is paid only while it lasts.
        let exchange = Box::pin(self.exchange(request, octets_max));
        let ended = timeout(limit, exchange).await;
        ended.unwrap_or(Err(HttpError::Slow))
    }

    /// The request as it is sent: its body is at hand, its target is a path.
    async fn request<B>(&self, request: Request<B>) -> Result<Request<Full<Bytes>>, HttpError>
    where
        B: Body<Data = Bytes>,
    {
        let (mut parts, body) = request.into_parts();
        let server = &self.server;
        let is_other = |asked: &Authority| {
            let usual = || usual_port(server.tls.is_some());
            let name = asked.host().trim_matches(['[', ']']);
            !name.eq_ignore_ascii_case(&server.host)
                || asked.port_u16().unwrap_or_else(usual) != server.port
        };
        if parts.uri.authority().is_some_and(is_other) {
            return Err(HttpError::Place(PLACE));
        }
        let body = body.collect().await.map_err(|_| HttpError::Body)?;
        if !parts.headers.contains_key(HOST) {
            parts.headers.insert(HOST, server.authority.clone());
        }
        let target = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        parts.uri = target.parse().map_err(|_| HttpError::Place(PLACE))?;
        Ok(Request::from_parts(parts, Full::new(body.to_bytes())))
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        octets_max: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        let mut sender = self.kept().await;
        if let Some(kept) = &mut sender {
            match kept.send_request(request.clone()).await {
                Ok(response) => return self.answer(sender, response, octets_max).await,
                // It was closed as we began to speak.
                Err(error) if is_closed(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut sender = self.connect().await?;
        let response = sender.send_request(request).await?;
        self.answer(Some(sender), response, octets_max).await
    }

    /// Reads an answer, and keeps the connection if it is good for another.
    async fn answer(
        &self,
        sender: Option<Sender>,
        response: Response<Incoming>,
        octets_max: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = response.into_parts();
        let body = http::body(&parts.headers, body, octets_max).await?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_COUNT_MAX {
            idle.extend(sender.map(|sender| (sender, Instant::now())));
        }
        Ok(Response::from_parts(parts, body))
    }

    /// A connection that was used before.
    async fn kept(&self) -> Option<Sender> {
        loop {
            let (mut sender, since) = {
                let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                idle.pop()?
            };
            // Who is not ready has been closed.
            if since.elapsed() < IDLE_MAX && sender.ready().await.is_ok() {
                return Some(sender);
            }
        }
    }

    async fn connect(&self) -> Result<Sender, HttpError> {
        let (addresses, encryption) = (self.server.addresses().await?, self.server.encryption());
        let connecting = async {
            let socket = TcpStream::connect(&addresses[..]).await?;
            socket.set_nodelay(true)?;
            let mut stream = Stream::plain(Socket::Tcp(socket), encryption);
            if self.server.tls.is_some() {
                stream.encrypt(CONNECTING_MAX).await?;
            }
            Ok::<_, HttpError>(stream)
        };
        let slow = |_| HttpError::Connect(io::ErrorKind::TimedOut.into());
        let stream = timeout(CONNECTING_MAX, connecting).await.map_err(slow)??;
        let builder = &mut http1::Builder::new();
        builder.max_buf_size(BUFFER_OCTETS_MAX);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        // It ends once its sender has gone; what it died of, the answer tells as well.
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// True if a connection ended before anything was answered.
fn is_closed(error: &hyper::Error) -> bool {
    error.is_canceled() || error.is_closed() || error.is_incomplete_message()
}

#[cfg(test)]
mod tests {
    use http_body_util::Empty;
    use hyper::Method;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn places() {
        for (url, clear, expected) in [
            ("http://127.0.0.1:9000", Clear::Here, None),
            ("http://[::1]:9000/", Clear::Here, None),
            ("http://localhost", Clear::Here, None),
            ("http://store.example", Clear::Anywhere, None),
            ("http://store.example", Clear::Here, Some(HttpError::Clear)),
            (
                "http://127.0.0.1.example",
                Clear::Here,
                Some(HttpError::Clear),
            ),
            (
                "store.example:9000",
                Clear::Anywhere,
                Some(HttpError::Place(PLACE)),
            ),
            (
                "ftp://localhost",
                Clear::Anywhere,
                Some(HttpError::Place(PLACE)),
            ),
            (
                "http://key@localhost",
                Clear::Anywhere,
                Some(HttpError::Place(PLACE)),
            ),
            (
                "http://localhost/?a=b",
                Clear::Anywhere,
                Some(HttpError::Place(PLACE)),
            ),
            ("", Clear::Anywhere, Some(HttpError::Place(PLACE))),
        ] {
            let said = HttpHost::new(url, None, clear).err();
            let said = said.map(|error| error.to_string());
            assert_eq!(said, expected.map(|error| error.to_string()), "{url}");
        }
    }

    /// Answers each connection's requests in turn, and says how many connections there were.
    async fn answering(listener: TcpListener, connections: &[&[&str]]) -> usize {
        for (number, answers) in connections.iter().enumerate() {
            let accepted = timeout(SECOND * 30, listener.accept()).await;
            let Ok(Ok((mut socket, _))) = accepted else {
                return number;
            };
            for answer in *answers {
                let (mut asked, mut octets) = (Vec::new(), [0; 1024]);
                while !asked.ends_with(b"\r\n\r\n") {
                    let count = socket.read(&mut octets).await.unwrap();
                    assert!(count > 0, "{asked:?}");
                    asked.extend_from_slice(&octets[..count]);
                }
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
        }
        connections.len()
    }

    async fn asked(host: &HttpHost, octets_max: usize) -> String {
        let url = format!("http://{}/x?y", host.server.authority.to_str().unwrap());
        let request = Request::builder().method(Method::GET).uri(url);
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        match host.ask(request, octets_max, SECOND * 30).await {
            Ok(answer) => {
                let body = String::from_utf8(answer.body().to_vec()).unwrap();
                format!("{} {body}", answer.status().as_u16())
            }
            Err(error) => error.to_string(),
        }
    }

    #[tokio::test]
    async fn a_connection_is_kept_as_long_as_it_is_good() {
        let yes = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes";
        let no = "HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno";
        let last = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nyes";
        let half = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nyes";
        for (connections, said) in [
            (
                &[&[yes, no, yes][..]][..],
                &["200 yes", "404 no", "200 yes"][..],
            ),
            (&[&[yes, last], &[no]], &["200 yes", "200 yes", "404 no"]),
            // The server closes without a word.
            (&[&[yes], &[no]], &["200 yes", "404 no"]),
            (&[&[half], &[no]], &["the answer broke off: ", "404 no"]),
            (&[&["220 mx ESMTP\r\n"]], &["speaking HTTP: "]),
            (&[&[""], &[yes]], &["speaking HTTP: ", "200 yes"]),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let host = HttpHost::new(&url, None, Clear::Here).unwrap();
            let ask = async {
                for expected in said {
                    let said = asked(&host, 100).await;
                    assert!(said.starts_with(expected), "{said} for {expected}");
                }
            };
            let ((), count) = tokio::join!(ask, answering(listener, connections));
            assert_eq!(count, connections.len(), "{said:?}");
        }
    }

    #[tokio::test]
    async fn an_answer_has_an_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let host = HttpHost::new(&url, None, Clear::Here).unwrap();
        let long = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nyes!!";
        let answers = [&[long][..]];
        let (said, _) = tokio::join!(asked(&host, 4), answering(listener, &answers));
        assert_eq!(said, "the answer is longer than 4 octets");
        // Nobody is there any more.
        let said = asked(&host, 4).await;
        assert!(said.starts_with("connecting: "), "{said}");
        let other = Request::builder().uri("http://other.example/");
        let other = other.body(Empty::<Bytes>::new()).unwrap();
        let said = host.ask(other, 4, SECOND).await;
        assert!(matches!(said, Err(HttpError::Place(_))), "{said:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_waited_for_without_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let host = HttpHost::new(&url, None, Clear::Here).unwrap();
        let said = asked(&host, 4).await;
        assert_eq!(said, HttpError::Slow.to_string());
    }
}
