// SPDX-License-Identifier: MIT OR Apache-2.0

//! Why the server, or a part of it, has ended.

use std::io;
use std::path::PathBuf;

use sampler_serve::front::FrontError;
use sampler_serve::state::directory::StateError;
use sampler_serve::supervisor::run::SupervisorError;

use crate::record::error::RecordError;

/// Why the server, or a part of it, has ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The server could not be started, or cannot go on.
    #[error(transparent)]
    Supervisor(#[from] SupervisorError),
    /// The recorder cannot sample.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The state directory cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The front cannot answer.
    #[error(transparent)]
    Front(FrontError),
    /// The tokens cannot be used.
    #[error("--token-file {path}: {reason}", path = path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Something that every system can do failed.
    #[error("cannot {doing}: {source}")]
    System {
        /// What was tried, to complete "cannot …".
        doing: &'static str,
        /// The kernel's error.
        source: io::Error,
    },
}

impl ServeError {
    /// Returns what turns a system's error into one of these.
    pub(super) fn system(doing: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::System { doing, source }
    }
}
