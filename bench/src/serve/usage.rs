// SPDX-License-Identifier: MIT OR Apache-2.0

//! What each process of a server has used by now.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::procfs;
use crate::serve::server::Server;

/// The processes, as they are called in documents.
pub(super) const PARTS: [&str; 3] = ["supervisor", "recorder", "front"];

/// What each has used by now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    pub(super) at: Instant,
    /// User and system time of all threads, those that have ended included.
    pub(super) cpu: [Duration; 3],
    pub(super) resident_kib: [u64; 3],
}

impl Usage {
    /// Reads it. None of the processes may have been started anew.
    pub(super) fn of(server: &Server) -> anyhow::Result<Self> {
        let mut usage = Self {
            at: Instant::now(),
            cpu: [Duration::ZERO; 3],
            resident_kib: [0; 3],
        };
        for (index, pid) in server.parts().into_iter().enumerate() {
            let name = PARTS[index];
            let memory = procfs::resident_memory(pid);
            usage.cpu[index] =
                procfs::whole_cpu_time(pid).with_context(|| format!("the {name}"))?;
            usage.resident_kib[index] = memory.with_context(|| format!("the {name} has ended"))?;
        }
        Ok(usage)
    }
}
