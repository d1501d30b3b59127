// SPDX-License-Identifier: MIT OR Apache-2.0

//! What all requests share.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::StatusCode;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::front::authorization::Tokens;
use crate::front::config::{About, Limits};
use crate::front::error::ApiError;
use crate::front::gate::{Gate, Pass};
use crate::front::origin::AllowedHosts;
use crate::front::peer::{Access, PeerId};
use crate::front::recorder::RecorderHandle;
use crate::state::reader::StateReader;

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Context {
    /// What the server says about itself.
    pub(crate) about: About,
    /// The live page.
    pub(crate) page: &'static [u8],
    /// Whether source lines are sent over TCP.
    pub(crate) source_over_tcp: bool,
    /// The tokens of TCP clients.
    pub(crate) tokens: Tokens,
    /// The names that the server answers to.
    pub(crate) hosts: AllowedHosts,
    /// Limits of number, size and time.
    pub(crate) limits: Limits,
    /// The way to the recorder.
    pub(crate) recorder: RecorderHandle,
    /// The state directory.
    pub(crate) state: Arc<StateReader>,
    /// Connections.
    pub(crate) connections: Gate,
    /// Streams.
    pub(crate) streams: Gate,
    /// Conversions.
    pub(crate) conversions: Arc<Semaphore>,
    /// Steps of downloads.
    pub(crate) steps: Semaphore,
    /// Dumps.
    pub(crate) dumps: Semaphore,
    /// Counters of this run of the front.
    pub(crate) counters: HttpCounters,
    /// Tells this run of the front from others, in the numbers of events.
    pub(crate) epoch: u64,
}

/// Counters of this run of the front.
#[derive(Debug, Default)]
pub(crate) struct HttpCounters {
    /// Answers by the first digit of their status.
    pub(crate) answers: [AtomicU64; 6],
    /// Connections refused because too many were open.
    pub(crate) refused_connections: AtomicU64,
    /// Handlers that panicked.
    pub(crate) panics: AtomicU64,
    /// Answers that were not completed.
    pub(crate) aborted: AtomicU64,
}

impl HttpCounters {
    /// Counts an answer.
    pub(crate) fn answered(&self, status: StatusCode) {
        if let Some(counter) = self.answers.get(usize::from(status.as_u16() / 100)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    /// What it may see and do.
    pub(crate) access: Access,
    /// What it is counted by.
    pub(crate) peer: PeerId,
}

impl Client {
    /// Checks that the client may make changes.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn check_change(&self) -> Result<(), ApiError> {
        if self.access.own_uid().is_none() {
            return Ok(());
        }
        Err(ApiError::forbidden(
            "only root and members of the socket's group can start, stop, mark and delete",
        ))
    }
}

impl Context {
    /// Whether source lines may be sent to a client.
    #[must_use]
    pub(crate) fn sends_source(&self, client: &Client) -> bool {
        self.source_over_tcp || !client.access.is_tcp
    }

    /// Admits a stream.
    ///
    /// # Errors
    /// 503: there are too many.
    pub(crate) fn enter_stream(&self, client: &Client) -> Result<Pass, ApiError> {
        self.streams.enter(client.peer).ok_or_else(|| {
            ApiError::unavailable("too many downloads and streams at once; try again later")
        })
    }

    /// Reads the state directory, on a thread that may block.
    ///
    /// # Errors
    /// 503: it cannot be read.
    pub(crate) async fn read_state<T: Send + 'static>(
        &self,
        read: impl FnOnce(&StateReader) -> io::Result<T> + Send + 'static,
    ) -> Result<T, ApiError> {
        let state = self.state.clone();
        let result = spawn_blocking(move || read(&state)).await;
        let result = result.unwrap_or_else(|error| Err(io::Error::other(error)));
        result.map_err(|error| {
            ApiError::unavailable(format!("the state directory cannot be read: {error}"))
        })
    }
}
