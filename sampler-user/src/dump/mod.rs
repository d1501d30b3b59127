// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads every thread of one process at this moment, for the command `dump` and for
//! the server: what it does, what
//! it waits for, who holds the GIL, and the whole stacks. Never stops the process, never
//! writes to it, and never waits for it without end.

pub mod document;
pub mod error;
mod gather;
pub mod means;
mod probes;
mod render;
mod stacks;
mod ticks;
mod timeout;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sampler_cpython::process::namespace::PidNamespace;

use crate::dump::document::{Dump, SCHEMA};
use crate::dump::error::DumpError;
use crate::dump::means::Means;

/// How long to wait for one answer of the process.
const TIMEOUT: Duration = Duration::from_secs(5);

impl Dump {
    /// Dumps the threads of the process `pid`, a thread group id.
    ///
    /// # Errors
    /// [`DumpError`] when nothing can be said about the process. What cannot be read of a
    /// process that is there is a problem in the dump, not an error.
    pub fn take(pid: u32) -> Result<Self, DumpError> {
        Self::take_with(pid, Means::All)
    }

    /// As [`Dump::take`], with these means.
    ///
    /// # Errors
    /// As [`Dump::take`].
    pub fn take_with(pid: u32, means: Means) -> Result<Self, DumpError> {
        let time = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        PidNamespace::ours()?;
        let gathering = move |order: timeout::WorkOrder, findings: &timeout::Findings| {
            gather::gather(pid, means, &order, findings);
        };
        let dump = timeout::collect(pid, TIMEOUT, gathering)?;
        Ok(Self {
            schema: SCHEMA,
            time: time.as_micros() as f64 / 1e6,
            pid,
            ..dump
        })
    }
}
