// SPDX-License-Identifier: MIT OR Apache-2.0

//! A day in minutes: chunks of a tenth of a second instead of a minute, as many of them as a day
//! has minutes, and the same number once more. Memory and disk have to be flat in the second
//! day.

use std::path::Path;
use std::thread::sleep;
use std::time::Instant;

use nix::unistd::Pid;
use serde_json::{Value, json};

use super::plan::ServePlan;
use super::server::{Chunks, Server};
use super::usage::Usage;

/// How many times memory and disk are looked at.
const LOOKS: u32 = 24;

/// Runs a server for so long, and looks at it in equal steps.
pub(super) fn measure(
    binary: &Path,
    scratch: &Path,
    processes: &[Pid],
    plan: &ServePlan,
) -> anyhow::Result<Value> {
    let chunks = Chunks {
        seconds: plan.chunk.as_secs_f64(),
        kept: plan.kept,
    };
    let state = scratch.join("soak");
    let server = Server::start(binary, scratch, &state, processes, chunks)?;
    let start = Instant::now();
    let whole = plan.chunk * plan.written;
    let mut rows = Vec::new();
    for look in 1..=LOOKS {
        let until = whole * look / LOOKS;
        sleep(until.saturating_sub(start.elapsed()));
        let usage = Usage::of(&server)?;
        let status = server.status()?;
        let counters = &status["counters"];
        rows.push(json!({
            "seconds": start.elapsed().as_secs_f64(),
            "resident_kib": usage.resident_kib.iter().sum::<u64>(),
            "disk_bytes": server.bytes_written()?,
            "chunks": status["disk"]["chunks"],
            "deleted": counters["chunks_deleted"],
            "lost": counters["lost"],
            "behind_us": status["recorder"]["behind_us"],
        }));
    }
    server.finish()?;
    Ok(json!({
        "chunk_seconds": chunks.seconds,
        "kept": plan.kept,
        "written": plan.written,
        "rows": rows,
    }))
}
