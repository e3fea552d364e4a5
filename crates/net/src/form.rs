//! A form that is posted to an HTTP server, and what it answers; the connection lasts as long.
//!
//! Not here: what is in the form, what the answer means.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use tokio::time::timeout;

use crate::http::{self, Clear, HttpError, Named};

/// Octets that the body of an answer may have.
const ANSWER_OCTETS_MAX: usize = 16 * 1024;
/// Where forms can be posted to.
const PLACE: &str = "URL with https://, or with http:// and a name of this machine";

/// A place on an HTTP server that takes forms. Only a server on this machine is spoken to in the
/// clear.
#[derive(Debug)]
pub struct FormPlace {
    server: Named,
    path: String,
    authorization: HeaderValue,
}

impl FormPlace {
    /// The place with this URL. Certificates are checked with the authorities in the PEM file
    /// `authorities`, or with the system's. `authorization` is sent with each form.
    ///
    /// # Errors
    /// [`HttpError::Place`], [`HttpError::Clear`], [`HttpError::Field`], or no authority can be
    /// read.
    pub fn new(
        url: &str,
        authorities: Option<&Path>,
        authorization: &str,
    ) -> Result<Self, HttpError> {
        let (server, uri) = Named::of(url, authorities, (PLACE, Clear::Here))?;
        let wrong = |_| HttpError::Field("Authorization".to_owned());
        let mut authorization = HeaderValue::from_str(authorization).map_err(wrong)?;
        authorization.set_sensitive(true);
        Ok(Self {
            server,
            path: uri
                .path_and_query()
                .map_or_else(|| "/".to_owned(), ToString::to_string),
            authorization,
        })
    }

    /// Posts a form ([`form`]) and waits for an answer of status 200, within `limit`.
    ///
    /// # Errors
    /// Any but those of [`Self::new`].
    pub async fn post(&self, form: String, limit: Duration) -> Result<Bytes, HttpError> {
        // Boxed, so that its size is paid only while it lasts.
        let exchange = Box::pin(self.exchange(form, limit));
        timeout(limit, exchange)
            .await
            .unwrap_or(Err(HttpError::Slow))
    }

    async fn exchange(&self, form: String, limit: Duration) -> Result<Bytes, HttpError> {
        let mut request = Request::new(Full::new(Bytes::from(form)));
        *request.method_mut() = hyper::Method::POST;
        *request.uri_mut() = self.path.parse().map_err(|_| HttpError::Place(PLACE))?;
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        let fields = request.headers_mut();
        fields.insert(HOST, self.server.authority.clone());
        fields.insert(AUTHORIZATION, self.authorization.clone());
        fields.insert(CONTENT_TYPE, kind);
        fields.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let read = async |response| http::body_if_ok(response, ANSWER_OCTETS_MAX).await;
        let (addresses, encryption) = (self.server.addresses().await?, self.server.encryption());
        http::exchange(&addresses, encryption, request, read, limit).await
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
        assert!(matches!(said, HttpError::Field(_)));
    }
}
