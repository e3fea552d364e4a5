//! A short exchange with an HTTPS server: a text is fetched, or something is handed over; the
//! connection lasts as long.
//!
//! Not here: names (the caller has the addresses), what is in it. Nothing is remembered.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, body::Incoming};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::time::timeout;

use crate::Encryption;
use crate::http::{self, ADDRESSES_MAX, HttpError};

/// Octets of an answer that nobody reads.
const UNREAD_OCTETS_MAX: usize = 16 * 1024;
/// What can be asked here.
const PLACE: &str = "place on an HTTPS server";

/// A place on an HTTPS server.
#[derive(Clone, Debug)]
pub struct HttpsPlace {
    /// The host's name, which its certificate has to be good for.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Where on it: `/.well-known/mta-sts.txt`.
    pub path: String,
    /// Where it is.
    pub addresses: Vec<IpAddr>,
}

impl HttpsPlace {
    /// Fetches what is there: of this media type, of at most so many octets, within `limit`.
    ///
    /// # Errors
    /// Any; an answer of another status than 200 is one.
    pub async fn fetch(
        &self,
        trust: Arc<ClientConfig>,
        (kind, octets_max): (&'static str, usize),
        limit: Duration,
    ) -> Result<Bytes, HttpError> {
        let exchange = async {
            let request = self.request(Method::GET, Bytes::new())?;
            let read = async |response: Response<Incoming>| {
                if response.status() != StatusCode::OK {
                    return Err(HttpError::Status(response.status()));
                }
                let said = response.headers().get(CONTENT_TYPE);
                let said = said.and_then(|said| said.to_str().ok()).unwrap_or_default();
                let said = said.split(';').next().unwrap_or_default().trim();
                if !said.eq_ignore_ascii_case(kind) {
                    return Err(HttpError::Kind(kind));
                }
                let (parts, octets) = response.into_parts();
                http::body(&parts.headers, octets, octets_max).await
            };
            self.exchange(trust, request, read, limit).await
        };
        // Boxed, so that its size is paid only while it lasts.
        let ended = timeout(limit, Box::pin(exchange)).await;
        ended.unwrap_or(Err(HttpError::Slow))
    }

    /// Hands something over, of this media type and compressed by gzip if it says so, and hears
    /// whether it was taken (any status of 2xx), within `limit`.
    ///
    /// # Errors
    /// Any.
    pub async fn hand_over(
        &self,
        trust: Arc<ClientConfig>,
        (kind, octets): (&'static str, Bytes),
        limit: Duration,
    ) -> Result<(), HttpError> {
        let exchange = async {
            let mut request = self.request(Method::POST, octets)?;
            let kind = HeaderValue::from_static(kind);
            request.headers_mut().insert(CONTENT_TYPE, kind);
            let read = async |response: Response<Incoming>| {
                let (parts, octets) = response.into_parts();
                drop(http::body(&parts.headers, octets, UNREAD_OCTETS_MAX).await);
                let status = parts.status;
                match status.is_success() {
                    true => Ok(()),
                    false => Err(HttpError::Status(status)),
                }
            };
            self.exchange(trust, request, read, limit).await
        };
        let ended = timeout(limit, Box::pin(exchange)).await;
        ended.unwrap_or(Err(HttpError::Slow))
    }

    fn request(&self, method: Method, body: Bytes) -> Result<Request<Full<Bytes>>, HttpError> {
        let host = match self.port {
            443 => self.host.clone(),
            port => format!("{}:{port}", self.host),
        };
        let host = HeaderValue::from_str(&host).map_err(|_| HttpError::Place(PLACE))?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.path.parse().map_err(|_| HttpError::Place(PLACE))?;
        request.headers_mut().insert(HOST, host);
        Ok(request)
    }

    async fn exchange<T>(
        &self,
        trust: Arc<ClientConfig>,
        request: Request<Full<Bytes>>,
        read: impl AsyncFnOnce(Response<Incoming>) -> Result<T, HttpError>,
        limit: Duration,
    ) -> Result<T, HttpError> {
        let name = ServerName::try_from(self.host.clone()).map_err(|_| HttpError::Place(PLACE))?;
        let at_port = |ip: &IpAddr| SocketAddr::new(*ip, self.port);
        let addresses = self.addresses.iter().take(ADDRESSES_MAX).map(at_port);
        let addresses: Vec<SocketAddr> = addresses.collect();
        let encryption = Encryption::Client(trust, name);
        http::exchange(&addresses, encryption, request, read, limit).await
    }
}
