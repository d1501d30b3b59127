// SPDX-License-Identifier: MIT OR Apache-2.0

//! Measures the peak resident memory of pyebpf with many processes. The kernel's memory
//! for eBPF maps and programs is not included.

use std::thread::sleep;

use serde_json::{Value, json};

use super::many_processes;
use super::recorder::Recorder;
use super::setting::Setting;
use super::spread::Spread;
use super::subject::Subject as _;

const HZ: u32 = 100;

/// Records `count` processes that are a little busy, spread over all interpreters.
pub(super) fn measure(setting: &Setting, count: usize) -> anyhow::Result<Value> {
    let plan = setting.plan.many;
    let targets = many_processes::start(setting, count)?;
    let processes: Vec<_> = targets.iter().map(|it| it.pid()).collect();
    let mut peak = Spread::default();
    let mut samples = Spread::default();
    for _ in 0..plan.repetitions {
        let recorder = Recorder::start(&setting.binary, &setting.scratch, HZ, &processes)?;
        sleep(plan.seconds);
        let account = recorder.finish()?;
        peak.add(account.peak_memory as f64);
        samples.add(account.shown as f64);
    }
    Ok(json!({
        "processes": count,
        "interpreters": setting.pythons.len().min(count),
        "hz": HZ,
        "seconds": plan.seconds.as_secs_f64(),
        "repetitions": plan.repetitions,
        "samples": samples.to_json(),
        "peak_kib": peak.to_json(),
    }))
}
