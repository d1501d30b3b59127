// SPDX-License-Identifier: MIT OR Apache-2.0

//! Measures what a tick costs that hits no followed process: one map lookup.

use std::process::{Child, Command};
use std::thread::{available_parallelism, sleep};

use anyhow::Context as _;
use nix::sched::{CpuSet, sched_setaffinity};
use serde_json::{Value, json};

use super::interrupt;
use super::recorder::Recorder;
use super::setting::Setting;
use super::spread::Spread;
use super::subject::Subject as _;
use super::target::{Target, end, pid_of};

const HZ: u32 = 1000;

/// A busy process that is not a Python, bound to one CPU.
struct Spinner(Child);

impl Spinner {
    fn start(cpu: usize) -> anyhow::Result<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", "while :; do :; done"]);
        let process = interrupt::spawn(&mut command).context("cannot start a shell")?;
        let spinner = Self(process);
        let mut cpus = CpuSet::new();
        cpus.set(cpu)?;
        sched_setaffinity(pid_of(&spinner.0), &cpus)
            .with_context(|| format!("cannot bind a process to CPU {cpu}"))?;
        Ok(spinner)
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        end(&mut self.0);
    }
}

/// Measures while pyebpf follows a stopped Python and every CPU runs something else. An
/// idle CPU does not run the eBPF program.
pub(super) fn measure(setting: &Setting) -> anyhow::Result<Value> {
    let python = setting.main_python()?;
    let target = Target::start(&python.path, &setting.scripts, "bench_frames.py", &["busy"])?;
    target.stop()?;
    let recorder = Recorder::start(&setting.binary, &setting.scratch, HZ, &[target.pid()])?;
    let cpus = available_parallelism()?.get();
    let spinners = (0..cpus)
        .map(Spinner::start)
        .collect::<anyhow::Result<Vec<_>>>()?;
    let busy = repeat(setting, &recorder)?;
    drop(spinners);
    // There is no sample, so there is no account to wait for.
    drop(recorder);
    Ok(json!({
        "hz": HZ,
        "repetitions": setting.plan.sample.repetitions,
        "busy_ns": busy.to_json(),
    }))
}

fn repeat(setting: &Setting, recorder: &Recorder) -> anyhow::Result<Spread> {
    let mut spread = Spread::default();
    for _ in 0..setting.plan.sample.repetitions {
        let before = recorder.ticks()?;
        sleep(setting.plan.sample.idle);
        let after = recorder.ticks()?;
        let ticks = after.count.saturating_sub(before.count);
        anyhow::ensure!(
            ticks > 0,
            "there was no tick in {:?}",
            setting.plan.sample.idle
        );
        let time = after.total.saturating_sub(before.total);
        spread.add(time.as_nanos() as f64 / ticks as f64);
    }
    Ok(spread)
}
