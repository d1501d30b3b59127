// SPDX-License-Identifier: MIT OR Apache-2.0

//! Measures the time from starting pyebpf to its first sample, on a host with many
//! Python processes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::many_processes;
use super::recorder::Recorder;
use super::setting::Setting;
use super::spread::Spread;
use super::target::Target;

const HZ: u32 = 1000;
/// How long a recording goes on after it has begun.
const LATER: Duration = Duration::from_millis(500);

/// Records the whole host repeatedly while `count` Python processes run: all are a
/// little busy, except one that never pauses, so that there is something to sample at
/// once.
pub(super) fn measure(setting: &Setting, count: usize) -> anyhow::Result<Value> {
    let others = many_processes::start(setting, count - 1)?;
    let python = setting.main_python()?;
    let busy = Target::start(&python.path, &setting.scripts, "bench_frames.py", &["busy"])?;
    let mut first = Spread::default();
    for _ in 0..setting.plan.many.starts {
        let start = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
        let recorder = Recorder::start(&setting.binary, &setting.scratch, HZ, &[])?;
        std::thread::sleep(LATER);
        let account = recorder.finish()?;
        let at = account.first.context("the whole host gave no sample")?;
        first.add(1000.0 * (at - start));
    }
    drop((busy, others));
    Ok(json!({
        "processes": count,
        "interpreters": setting.pythons.len().min(count),
        "hz": HZ,
        "first_sample_ms": first.to_json(),
    }))
}
