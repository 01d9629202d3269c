//! Error: what went wrong, for whom, and which HTTP status says so.

use std::error::Error as StdError;
use std::fmt;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// A result of the demo service.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the demo service could not do what it was asked.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    NotFound,
    Refused(StatusCode),
    Internal,
}

impl Error {
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::refused(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    pub(crate) fn busy(message: impl Into<String>) -> Self {
        Self::refused(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    pub(crate) fn refused(status: StatusCode, message: impl Into<String>) -> Self {
        Self::new(Kind::Refused(status), message)
    }

    pub(crate) fn internal(
        message: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self {
            source: Some(source.into()),
            ..Self::new(Kind::Internal, message)
        }
    }

    /// Whether the thing asked for does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.kind == Kind::NotFound
    }

    /// Whether the caller can do nothing about it.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.kind == Kind::Internal
    }

    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    fn status(&self) -> StatusCode {
        match self.kind {
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Refused(status) => status,
            Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {}

impl From<rusqlite::Error> for Error {
    #[cold]
    fn from(source: rusqlite::Error) -> Self {
        Self::internal("the database refused", source)
    }
}

impl From<tokio::task::JoinError> for Error {
    #[cold]
    fn from(source: tokio::task::JoinError) -> Self {
        Self::internal("a task of the service did not finish", source)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = self.status();
        let body = serde_json::json!({
            "error": { "status": status.as_u16(), "message": self.to_string() }
        });
        (status, Json(body)).into_response()
    }
}
