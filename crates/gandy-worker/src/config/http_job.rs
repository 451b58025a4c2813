//! The keys of `[jobs.CLASS]` with `http`: an endpoint, its headers, its signature.

use std::path::Path;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::environment::Environment;
use super::job::limit;
use super::layer::Source;
use super::raw::Raw;
use super::secret;
use super::section::Section;
use crate::http;

/// Reads the keys of an endpoint; `None` when it is wrong, and noted.
pub fn read<'d>(
    section: &mut Section<'d, '_>,
    url: &'d Spanned<DeValue<'d>>,
    environment: &Environment,
    base: &Path,
    timeout: Duration,
) -> Option<http::Target> {
    let url = http::target::url(Raw::Toml(url.get_ref()))
        .map_err(|message| section.note("http", message))
        .ok();
    let mut headers = http::target::Headers::default();
    for (name, value) in section.entries("headers") {
        let added = secret::read(value.get_ref(), environment, base)
            .and_then(|(given, secret)| headers.add(name, given, &secret));
        if let Err(message) = added {
            section.note_in(value.span().start, "headers", name, message);
        }
    }
    let hmac = section
        .has("hmac")
        .then(|| read_hmac(section, environment, base));
    let response_limit = section
        .read("response_limit", limit)
        .unwrap_or(http::RESPONSE_LIMIT);
    if let Some(Some(hmac)) = &hmac
        && headers.has(&hmac.header)
    {
        section.note(
            "hmac",
            format!(
                "signs in the header {}, which headers sets too",
                hmac.header
            ),
        );
    }
    Some(http::Target {
        url: url?,
        headers,
        hmac: hmac.flatten(),
        response_limit,
        timeout,
    })
}

fn read_hmac(
    section: &mut Section<'_, '_>,
    environment: &Environment,
    base: &Path,
) -> Option<http::Hmac> {
    let mut entries = section.entries("hmac");
    let mut take = |key: &str| {
        let index = entries.iter().position(|(name, _)| *name == key)?;
        Some(entries.swap_remove(index).1)
    };
    let (given, header) = (take("secret"), take("header"));
    for (name, value) in entries {
        let message = "unknown key; allowed here: header, secret";
        section.note_in(value.span().start, "hmac", name, message);
    }
    let header = match header.map(|value| http::target::header_name(Raw::Toml(value.get_ref()))) {
        None => Some(http::Hmac::default_header()),
        Some(Ok(name)) => Some(name),
        Some(Err(message)) => {
            let offset = header.map_or(0, |value| value.span().start);
            section.note_in(offset, "hmac", "header", message);
            None
        }
    };
    let Some(value) = given else {
        section.note(
            "hmac",
            "has no secret: give secret = { env = \"NAME\" } or { file = \"PATH\" }".to_owned(),
        );
        return None;
    };
    match secret::read(value.get_ref(), environment, base) {
        Ok((secret::Given::Literal, _)) => {
            let message =
                "must not stand in the file: give { env = \"NAME\" } or { file = \"PATH\" }";
            section.note_in(value.span().start, "hmac", "secret", message);
            None
        }
        Ok((given, secret)) => Some(http::Hmac {
            secret,
            given,
            header: header?,
        }),
        Err(message) => {
            section.note_in(value.span().start, "hmac", "secret", message);
            None
        }
    }
}
