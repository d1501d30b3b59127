// SPDX-License-Identifier: MIT OR Apache-2.0

//! The command `dump`: shows every thread of one process at this moment: what it does, what
//! it waits for, who holds the GIL, and the whole stacks. Never stops the process, never
//! writes to it, and never waits for it without end.

pub mod document;
pub mod error;
mod gather;
mod looks;
mod patience;
mod render;
mod stacks;
mod ticks;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sampler_cpython::process::namespace::PidNamespace;

use crate::commands::dump::document::{Dump, SCHEMA};
use crate::commands::dump::error::DumpError;

/// How long to wait for one answer of the process.
const PATIENCE: Duration = Duration::from_secs(5);

impl Dump {
    /// Dumps the threads of the process `pid`, a thread group id.
    ///
    /// # Errors
    /// [`DumpError`] when nothing can be said about the process. What cannot be read of a
    /// process that is there is a problem in the dump, not an error.
    pub fn take(pid: u32) -> Result<Self, DumpError> {
        let time = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        PidNamespace::ours()?;
        let gathering = move |order: patience::WorkOrder, findings: &patience::Findings| {
            gather::gather(pid, &order, findings);
        };
        let dump = patience::collect(pid, PATIENCE, gathering)?;
        Ok(Self {
            schema: SCHEMA,
            time: time.as_micros() as f64 / 1e6,
            pid,
            ..dump
        })
    }
}
