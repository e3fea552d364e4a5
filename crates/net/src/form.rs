//! A form that is posted to an HTTP server, and what it answers; the connection lasts as long.
//!
//! Not here: what is in the form, what the answer means. RFC 9110 and 9112 by hyper.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::http::{self, ADDRESSES_MAX, Unread};
use crate::{Encryption, Error, tls};

/// Octets that the body of an answer may have.
const ANSWER_OCTETS_MAX: usize = 16 * 1024;

/// A place on an HTTP server that takes forms. Only a server on this machine is spoken to in the
/// clear.
#[derive(Debug)]
pub struct FormPlace {
    /// As the header field `Host` has it.
    authority: String,
    host: String,
    port: u16,
    path: String,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    authorization: HeaderValue,
}

/// Why a form came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum FormError {
    /// The URL is not of a place that forms may be posted to.
    #[error("it is no URL with https://, or with http:// and a name of this machine")]
    Url,
    /// What the client calls itself cannot be sent.
    #[error("client and secret have letters that cannot be sent")]
    Authorization,
    /// There was no connection.
    #[error("connecting: {0}")]
    Connect(#[from] io::Error),
    /// The connection could not be encrypted, or nobody is trusted.
    #[error(transparent)]
    Tls(#[from] Error),
    /// The other side does not speak HTTP as it should.
    #[error("speaking HTTP: {0}")]
    Http(#[from] hyper::Error),
    /// It said no.
    #[error("the answer is {0}")]
    Status(StatusCode),
    /// Its answer is longer than any that is wanted.
    #[error("the answer is longer than {ANSWER_OCTETS_MAX} octets")]
    Long,
    /// It took too long.
    #[error("there was no answer in time")]
    Slow,
}

impl FormPlace {
    /// The place with this URL. Certificates are checked with the authorities in the PEM file
    /// `authorities`, or with the system's. `authorization` is sent with each form.
    ///
    /// # Errors
    /// [`FormError::Url`], [`FormError::Authorization`], or no authority can be read.
    pub fn new(
        url: &str,
        authorities: Option<&Path>,
        authorization: &str,
    ) -> Result<Self, FormError> {
        let uri: Uri = url.parse().map_err(|_| FormError::Url)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(FormError::Url);
        };
        let host = authority.host().trim_matches(['[', ']']);
        let tls = match scheme {
            "https" => {
                let name = ServerName::try_from(host.to_owned()).map_err(|_| FormError::Url)?;
                let config = match authorities {
                    Some(path) => tls::roots_from_pem(path)?,
                    None => tls::roots_of_system()?,
                };
                Some((config, name))
            }
            "http" if is_here(host) => None,
            _ => return Err(FormError::Url),
        };
        if authority.as_str().contains('@') {
            return Err(FormError::Url);
        }
        let mut authorization =
            HeaderValue::from_str(authorization).map_err(|_| FormError::Authorization)?;
        authorization.set_sensitive(true);
        let usual = if tls.is_some() { 443 } else { 80 };
        Ok(Self {
            authority: authority.to_string(),
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(usual),
            path: uri
                .path_and_query()
                .map_or_else(|| "/".to_owned(), ToString::to_string),
            tls,
            authorization,
        })
    }

    /// Posts a form ([`form`]) and waits for an answer of status 200, within `limit`.
    ///
    /// # Errors
    /// Any but those of [`Self::new`].
    pub async fn post(&self, form: String, limit: Duration) -> Result<Bytes, FormError> {
        // Boxed, so that its size is paid only while it lasts.
        let exchange = Box::pin(self.exchange(form, limit));
        timeout(limit, exchange)
            .await
            .unwrap_or(Err(FormError::Slow))
    }

    async fn exchange(&self, form: String, limit: Duration) -> Result<Bytes, FormError> {
        let encryption = match &self.tls {
            Some((config, name)) => Encryption::Client(Arc::clone(config), name.clone()),
            None => Encryption::None,
        };
        let mut request = Request::new(Full::new(Bytes::from(form)));
        *request.method_mut() = hyper::Method::POST;
        *request.uri_mut() = self.path.parse().map_err(|_| FormError::Url)?;
        let host = HeaderValue::from_str(&self.authority).map_err(|_| FormError::Url)?;
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        let fields = request.headers_mut();
        fields.insert(HOST, host);
        fields.insert(AUTHORIZATION, self.authorization.clone());
        fields.insert(CONTENT_TYPE, kind);
        fields.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let read = async |response: Response<Incoming>| {
            if response.status() != StatusCode::OK {
                return Err(FormError::Status(response.status()));
            }
            let body = http::body(response, ANSWER_OCTETS_MAX).await;
            body.map_err(|unread| match unread {
                Unread::Long => FormError::Long,
                Unread::Broken(error) => FormError::Connect(error),
            })
        };
        let addresses = self.addresses().await?;
        http::exchange(&addresses, encryption, request, read, limit).await
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>, FormError> {
        let found = lookup_host((self.host.as_str(), self.port)).await?;
        let clear = self.tls.is_none();
        // Whatever a name of this machine is taken for, nothing in the clear leaves it.
        let usable = found.filter(|address| !clear || address.ip().is_loopback());
        Ok(usable.take(ADDRESSES_MAX).collect())
    }
}

/// A form with these fields, as it is sent.
#[must_use]
pub fn form(fields: &[(&str, &str)]) -> String {
    let fields = fields
        .iter()
        .map(|(name, value)| format!("{}={}", form_word(name), form_word(value)));
    fields.collect::<Vec<_>>().join("&")
}

/// A word as forms have it: of letters, digits and a few signs, everything else in hexadecimal.
#[must_use]
pub fn form_word(word: &str) -> String {
    let mut written = String::with_capacity(word.len());
    for octet in word.bytes() {
        match octet {
            b'*' | b'-' | b'.' | b'_' => written.push(char::from(octet)),
            _ if octet.is_ascii_alphanumeric() => written.push(char::from(octet)),
            b' ' => written.push('+'),
            _ => written.push_str(&format!("%{octet:02X}")),
        }
    }
    written
}

/// True for names of this machine.
pub(crate) fn is_here(host: &str) -> bool {
    let address = host.parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_its_own_alphabet() {
        let fields = [("token", "a+b/c=="), ("hint", "two words"), ("ä", "*-._~")];
        let written = "token=a%2Bb%2Fc%3D%3D&hint=two+words&%C3%A4=*-._%7E";
        assert_eq!(form(&fields), written);
    }

    #[test]
    fn only_this_machine_is_spoken_to_in_the_clear() {
        let takes = |url: &str| FormPlace::new(url, None, "Basic eDp5").is_ok();
        for url in [
            "http://127.0.0.1:8080/introspect",
            "http://[::1]/introspect?realm=mail",
            "http://localhost/",
        ] {
            assert!(takes(url), "{url}");
        }
        for url in [
            "http://login.example.org/introspect",
            "http://127.0.0.1.example.org/",
            "http://user@localhost/",
            "ftp://localhost/",
            "/introspect",
            "",
        ] {
            assert!(!takes(url), "{url}");
        }
        let secret = FormPlace::new("http://localhost/", None, "Basic eDp5").unwrap();
        assert!(!format!("{secret:?}").contains("eDp5"));
        let said = FormPlace::new("http://localhost/", None, "a\nb").unwrap_err();
        assert!(matches!(said, FormError::Authorization));
    }
}
