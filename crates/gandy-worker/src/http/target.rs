//! An endpoint as the configuration names it: URL, headers, signature.

use std::fmt;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::config::raw::Raw;
use crate::config::secret::{Given, Secret};

/// Headers that the worker or the protocol sets; a second one would make the request ambiguous.
const RESERVED: [&str; 6] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
    "upgrade",
];

/// An endpoint and how it is asked.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where jobs are posted to.
    pub url: Url,
    /// Headers of every request.
    pub headers: Headers,
    /// The signature, if requests are signed.
    pub hmac: Option<Hmac>,
    /// Bytes of an answer that are read.
    pub response_limit: usize,
    /// How long one request may take.
    pub timeout: Duration,
}

impl Target {
    /// The URL without what may be secret in it: the query.
    pub fn shown_url(&self) -> String {
        let mut url = self.url.clone();
        if url.query().is_some() {
            url.set_query(Some("***"));
        }
        url.into()
    }
}

/// How requests are signed; see [`super::signature`].
#[derive(Debug, Clone)]
pub struct Hmac {
    /// The key.
    pub secret: Secret,
    /// Where the key came from.
    pub given: Given,
    /// The header that holds the signature.
    pub header: HeaderName,
}

impl Hmac {
    /// The header when the configuration names none.
    pub fn default_header() -> HeaderName {
        HeaderName::from_static("gandy-signature")
    }
}

/// The configured headers. Values never show.
#[derive(Clone, Default)]
pub struct Headers {
    values: HeaderMap,
    given: Vec<(HeaderName, Given)>,
}

impl Headers {
    /// Adds a header.
    ///
    /// # Errors
    ///
    /// A name or value that HTTP does not allow, a name that is reserved or there already.
    pub fn add(&mut self, name: &str, given: Given, value: &Secret) -> Result<(), String> {
        let name = parse_name(name)?;
        if self.has(&name) {
            return Err("is given twice (the case of letters does not count)".to_owned());
        }
        let mut value = HeaderValue::from_str(value.expose()).map_err(|_| {
            "holds a character that no HTTP header may hold, such as a line end".to_owned()
        })?;
        value.set_sensitive(true);
        self.values.insert(name.clone(), value);
        self.given.push((name, given));
        Ok(())
    }

    /// Whether a header is there.
    pub fn has(&self, name: &HeaderName) -> bool {
        self.values.contains_key(name)
    }

    /// The headers to send.
    pub fn for_request(&self) -> HeaderMap {
        self.values.clone()
    }

    /// Each name with how its value was given.
    pub fn given(&self) -> impl Iterator<Item = (&HeaderName, &Given)> {
        self.given.iter().map(|(name, given)| (name, given))
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.given()).finish()
    }
}

/// Reads the URL of an endpoint. Errors do not repeat it: it may hold a token.
pub fn url(raw: Raw<'_>) -> Result<Url, String> {
    const ALLOWED: &str = "must be an http:// or https:// URL with a host";
    let url = Url::parse(raw.text().map_err(|_| ALLOWED)?)
        .map_err(|error| format!("{ALLOWED}: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(ALLOWED.to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "must hold no user or password: set the Authorization header in headers".to_owned(),
        );
    }
    if url.fragment().is_some() {
        return Err("must hold no #fragment: it is never sent".to_owned());
    }
    Ok(url)
}

/// Reads a header's name that the worker may use.
pub fn header_name(raw: Raw<'_>) -> Result<HeaderName, String> {
    parse_name(raw.text()?)
}

fn parse_name(name: &str) -> Result<HeaderName, String> {
    let name = HeaderName::try_from(name)
        .map_err(|_| format!("\"{name}\" is not the name of an HTTP header"))?;
    if RESERVED.contains(&name.as_str()) {
        return Err(format!("the header {name} is set by the worker"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_url_is_http_without_credentials() {
        assert!(url(Raw::Text("https://example.com:8443/jobs?k=v")).is_ok());
        for bad in [
            "",
            "example.com",
            "ftp://example.com",
            "file:///etc/passwd",
            "http://",
            "http://user:S3CR3T@example.com/",
            "http://example.com/#x",
        ] {
            let error = url(Raw::Text(bad)).unwrap_err();
            assert!(!error.contains("S3CR3T"), "{error}");
        }
    }

    #[test]
    fn header_values_never_show_and_cannot_break_out() {
        let mut headers = Headers::default();
        let mut add =
            |name: &str, value: &str| headers.add(name, Given::Literal, &Secret::new(value));
        add("X-Token", "S3CR3T").unwrap();
        assert!(add("x-token", "again").unwrap_err().contains("twice"));
        assert!(add("X-Evil", "a\r\nHost: b").is_err());
        assert!(add("X Evil", "a").is_err());
        assert!(
            add("Content-Length", "1")
                .unwrap_err()
                .contains("set by the worker")
        );
        let shown = format!("{headers:?} {:?}", headers.for_request());
        assert!(!shown.contains("S3CR3T"), "{shown}");
    }
}
