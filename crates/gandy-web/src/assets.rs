//! Style, script and pictures: in the binary, compressed once, under names that change with what is in them, so that a
//! browser asks for each once.

use std::io::Write as _;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

/// A year, and never asked again: another content has another name.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// One file.
#[derive(Debug)]
pub(crate) struct Asset {
    /// `dashboard-1a2b3c4d5e6f.css`.
    pub(crate) name: String,
    content_type: &'static str,
    plain: Bytes,
    gzipped: Bytes,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Assets {
    pub(crate) style: Asset,
    pub(crate) script: Asset,
    pub(crate) plot: Asset,
    pub(crate) icon: Asset,
}

impl Assets {
    pub(crate) fn new() -> Self {
        let style = concat!(
            include_str!("../assets/vendor/uplot/uPlot.min.css"),
            "\n",
            include_str!("../assets/style/base.css"),
            include_str!("../assets/style/parts.css"),
            include_str!("../assets/style/pages.css"),
        );
        let script = concat!(
            include_str!("../assets/script/live.js"),
            include_str!("../assets/script/keys.js"),
            include_str!("../assets/script/plots.js"),
        );
        Self {
            style: Asset::new("dashboard", "css", "text/css; charset=utf-8", style),
            script: Asset::new("dashboard", "js", "text/javascript; charset=utf-8", script),
            plot: Asset::new(
                "uplot",
                "js",
                "text/javascript; charset=utf-8",
                include_str!("../assets/vendor/uplot/uPlot.iife.min.js"),
            ),
            icon: Asset::new(
                "gandy",
                "svg",
                "image/svg+xml",
                include_str!("../assets/gandy.svg"),
            ),
        }
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Asset> {
        [&self.style, &self.script, &self.plot, &self.icon]
            .into_iter()
            .find(|asset| asset.name == name)
    }
}

impl Asset {
    fn new(stem: &str, ending: &str, content_type: &'static str, text: &'static str) -> Self {
        let digest = Sha256::digest(text.as_bytes());
        let hash: String = digest
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self {
            name: format!("{stem}-{hash}.{ending}"),
            content_type,
            plain: Bytes::from_static(text.as_bytes()),
            gzipped: gzip(text.as_bytes(), Compression::best())
                .unwrap_or_default()
                .into(),
        }
    }

    pub(crate) fn answer(&self, headers: &HeaderMap) -> Response {
        let gzipped = takes_gzip(headers) && !self.gzipped.is_empty();
        let body = if gzipped { &self.gzipped } else { &self.plain };
        let mut response = (StatusCode::OK, body.clone()).into_response();
        let head = response.headers_mut();
        head.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(self.content_type),
        );
        head.insert(header::CACHE_CONTROL, HeaderValue::from_static(FOR_EVER));
        head.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if gzipped {
            head.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

/// Whether the client says that it reads gzip; one that names it with `q=0` does not.
pub(crate) fn takes_gzip(headers: &HeaderMap) -> bool {
    let all = headers.get_all(header::ACCEPT_ENCODING).iter();
    all.filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|word| {
            let (name, quality) = word.split_once(';').unwrap_or((word, ""));
            let refused = matches!(quality.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
            name.trim().eq_ignore_ascii_case("gzip") && !refused
        })
}

/// `None`: it cannot be; then it is sent as it is.
pub(crate) fn gzip(bytes: &[u8], level: Compression) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 3), level);
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        let takes = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(text));
            takes_gzip(&headers)
        };
        assert!(takes("gzip") && takes("br, GZIP;q=0.5") && takes("deflate,gzip"));
        assert!(!takes("gzip;q=0") && !takes("br") && !takes(""));
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn a_name_says_what_is_in_the_file() {
        let assets = Assets::new();
        assert!(assets.find(&assets.style.name).is_some());
        assert!(assets.find("dashboard.css").is_none());
        assert_ne!(
            Asset::new("a", "css", "", "one").name,
            Asset::new("a", "css", "", "two").name
        );
    }
}
