// SPDX-License-Identifier: MIT OR Apache-2.0

//! Why a request is refused.

use hyper::StatusCode;

use crate::protocol::message::{Failure, FailureCode};

/// Why a request is refused: the status, and a sentence for users that says what happened
/// and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// The status of the answer.
    pub status: StatusCode,
    /// What happened, and what to do.
    pub message: String,
    /// After how many seconds to try again.
    pub retry_after_s: Option<u32>,
    /// The methods that the path has, where the method was wrong.
    pub allow: Option<String>,
}

impl ApiError {
    /// An error with this status.
    #[must_use]
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            retry_after_s: None,
            allow: None,
        }
    }

    /// 400: the request is invalid.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 403: the client may not do that.
    #[must_use]
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// 404: it does not exist, or the client may not see it.
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 429: too much of it at once.
    #[must_use]
    pub fn too_many(message: impl Into<String>) -> Self {
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, message);
        error.retry_after(2)
    }

    /// 503: temporarily unavailable.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, message);
        error.retry_after(2)
    }

    /// The same, with the time after which to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        let Failure { code, message } = failure;
        match code {
            FailureCode::NotFound => Self::not_found(message),
            FailureCode::Conflict => Self::new(StatusCode::CONFLICT, message),
            FailureCode::Invalid => Self::bad_request(message),
            FailureCode::Limit => Self::too_many(message),
            FailureCode::Failed => Self::unavailable(message),
        }
    }
}
