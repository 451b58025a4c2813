//! An answer that is not what was asked for: what is wrong, where, and what to do.
//!
//! A handler returns a [`Problem`]; `guard` makes a page of it with everything around it, or JSON under `/api/`.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gandy::{Error, Kind, StoreError};

/// What went wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// A few words.
    pub(crate) title: String,
    /// What and where.
    pub(crate) detail: String,
    /// What to do about it; may be empty.
    pub(crate) remedy: String,
    /// For programs; where there is none the status has one ([`Problem::code`]).
    coded: &'static str,
}

/// What a handler gives.
pub(crate) type Outcome<T = Response> = Result<T, Problem>;

impl Problem {
    pub(crate) fn new(status: StatusCode, title: &str, detail: impl Into<String>) -> Self {
        Self {
            status,
            title: title.to_owned(),
            // A page puts a full stop behind it.
            detail: detail.into().trim_end_matches('.').to_owned(),
            remedy: String::new(),
            coded: "",
        }
    }

    fn coded(mut self, code: &'static str) -> Self {
        self.coded = code;
        self
    }

    /// One word for programs.
    pub(crate) fn code(&self) -> &'static str {
        if !self.coded.is_empty() {
            return self.coded;
        }
        match self.status {
            StatusCode::UNAUTHORIZED => "unauthorized",
            StatusCode::FORBIDDEN => "forbidden",
            StatusCode::NOT_FOUND => "not-found",
            StatusCode::METHOD_NOT_ALLOWED => "method-not-allowed",
            StatusCode::CONFLICT => "impossible",
            StatusCode::PAYLOAD_TOO_LARGE => "too-long",
            StatusCode::TOO_MANY_REQUESTS => "too-many",
            StatusCode::REQUEST_TIMEOUT => "too-slow",
            StatusCode::BAD_GATEWAY => "redis-refused",
            StatusCode::SERVICE_UNAVAILABLE => "redis-unavailable",
            status if status.is_client_error() => "bad-request",
            _ => "defect",
        }
    }

    pub(crate) fn and(mut self, remedy: &str) -> Self {
        remedy.clone_into(&mut self.remedy);
        self
    }

    /// A parameter that cannot be read: which, and what it must be.
    pub(crate) fn param(name: &str, must: impl std::fmt::Display) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "That request cannot be read",
            format!("{name}: {must}"),
        )
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not found", detail)
    }

    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Not allowed", detail)
    }

    pub(crate) fn bug(detail: impl std::fmt::Display) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "A defect in Gandy",
            detail.to_string(),
        )
        .and("Please report it, with this message.")
    }

    pub(crate) fn busy(detail: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Too much at once", detail)
            .and("Try again in a moment.")
            .coded("busy")
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let words = error.to_string();
        match &error {
            Error::Store(StoreError::Refused { .. }) => {
                let remedy = match words.contains("NOPERM") {
                    true => {
                        "A user of Redis for the dashboard needs the rights of the role operator, or dashboard to look: \
                         gandy doctor says which are missing."
                    }
                    false if words.contains("WRONGTYPE") => {
                        "Another program writes a key of one of our names: the doctor's page says which."
                    }
                    false => "The doctor's page may say more.",
                };
                Self::new(StatusCode::BAD_GATEWAY, "Redis refused", words).and(remedy)
            }
            _ => match error.kind() {
                Kind::Retry => Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "Redis is not available",
                    words,
                )
                .and("This page comes back when Redis does."),
                Kind::Unknown => Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "Redis did not answer",
                    words,
                )
                .and("What was only looked at can be looked at again. An act may have been done: look before you repeat it.")
                .coded("unknown"),
                Kind::Input => Self::new(
                    StatusCode::BAD_REQUEST,
                    "That cannot be done",
                    words,
                ),
                _ => Self::bug(words),
            },
        }
    }
}

impl From<askama::Error> for Problem {
    fn from(error: askama::Error) -> Self {
        Self::bug(format!("a page could not be written: {error}"))
    }
}

/// As plain text, with itself aboard for `guard` to make a page of.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.detail.clone()).into_response();
        response.extensions_mut().insert(self);
        response
    }
}
