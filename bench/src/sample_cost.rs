// SPDX-License-Identifier: MIT OR Apache-2.0

//! Measures what one sample costs: in the kernel, by the run time of the eBPF program,
//! and in user space, by the CPU time of pyebpf. The interrupt of the tick itself is
//! not included; `slowdown` shows that.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::procfs::{self, RunTime};
use super::pyebpf::RHYTHM;
use super::recorder::Recorder;
use super::setting::Setting;
use super::spread::Spread;
use super::subject::Subject as _;
use super::target::Target;

/// How long it takes until pyebpf has read all records, with some delay of its wake-up.
const SETTLE: Duration = RHYTHM.saturating_add(Duration::from_millis(100));
/// How long the target runs before the measurement begins, so that pyebpf knows its
/// code.
const WARM_UP: Duration = Duration::from_millis(300);
/// The number of frames of the target's stack.
const DEPTH: usize = 32;

/// The rate of sampling, and how long and how often the target runs and is stopped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Phases {
    pub(super) hz: u32,
    pub(super) repetitions: usize,
    pub(super) busy: Duration,
    pub(super) idle: Duration,
}

/// Cumulative figures at a moment when the target is stopped and all its records have
/// been read.
#[derive(Clone, Copy, Debug)]
struct Reading {
    at: Instant,
    ticks: RunTime,
    user: Duration,
    target: Duration,
}

/// The differences between two readings: a number of ticks, and times in nanoseconds.
struct Phase {
    wall: f64,
    ticks: f64,
    in_kernel: f64,
    user: f64,
    target: f64,
}

/// Lets a target run and stops it, in turns, under one pyebpf.
///
/// Each tick that hits nothing costs `cost_of_nothing` nanoseconds, which are
/// subtracted. That cost is measured elsewhere, since a quiet machine has no such ticks
/// while the target is stopped. How many ticks hit the target is known only for the
/// whole run, from pyebpf's account; each phase gets a share in proportion to the
/// target's CPU time.
pub(super) fn measure(
    setting: &Setting,
    python: &Path,
    phases: Phases,
    cost_of_nothing: f64,
) -> anyhow::Result<Value> {
    let target = Target::start(python, &setting.scripts, "bench_frames.py", &["busy"])?;
    target.stop()?;
    let before = procfs::cpu_time(target.pid())?;
    let recorder = Recorder::start(
        &setting.binary,
        &setting.scratch,
        phases.hz,
        &[target.pid()],
    )?;
    run(&target, WARM_UP)?;
    let mut pairs = Vec::new();
    for _ in 0..phases.repetitions {
        let standing = read(&recorder, &target)?;
        sleep(phases.idle);
        let starting = read(&recorder, &target)?;
        run(&target, phases.busy)?;
        let ended = read(&recorder, &target)?;
        pairs.push((standing.until(starting), starting.until(ended)));
    }
    let all = (procfs::cpu_time(target.pid())? - before).as_nanos() as f64;
    let account = recorder.finish()?;
    anyhow::ensure!(
        account.depth == DEPTH,
        "the target's stack was {} deep, not {DEPTH}",
        account.depth
    );

    let mut costs: [Spread; 4] = Default::default();
    for (idle, busy) in &pairs {
        anyhow::ensure!(busy.target > 0.0, "the target did not run");
        let hits = account.taken as f64 * busy.target / all;
        let of_others = cost_of_nothing * (busy.ticks - hits).max(0.0);
        let in_kernel = (busy.in_kernel - of_others) / hits;
        let in_user = busy.user / hits;
        let at_rest = idle.user / (idle.wall / 1e9);
        let both = in_kernel + in_user;
        let values = [in_kernel, in_user, both, at_rest];
        for (spread, value) in costs.iter_mut().zip(values) {
            spread.add(value);
        }
    }
    let [kernel, user, both, at_rest] = costs.each_ref().map(Spread::to_json);
    Ok(json!({
        "hz": phases.hz,
        "frames": DEPTH,
        "taken": account.taken,
        "shown": account.shown,
        "repetitions": phases.repetitions,
        "kernel_ns": kernel,
        "user_ns": user,
        "both_ns": both,
        "user_ns_per_second_without_samples": at_rest,
    }))
}

/// Lets the target run for `time`, then waits until its records have been read.
fn run(target: &Target, time: Duration) -> anyhow::Result<()> {
    target.go_on()?;
    sleep(time);
    target.stop()?;
    sleep(SETTLE);
    Ok(())
}

fn read(recorder: &Recorder, target: &Target) -> anyhow::Result<Reading> {
    Ok(Reading {
        at: Instant::now(),
        ticks: recorder.ticks()?,
        user: procfs::cpu_time(recorder.pid())?,
        target: procfs::cpu_time(target.pid())?,
    })
}

impl Reading {
    fn until(self, later: Self) -> Phase {
        let passed = |from: Duration, to: Duration| to.saturating_sub(from).as_nanos() as f64;
        Phase {
            wall: later.at.duration_since(self.at).as_nanos() as f64,
            ticks: later.ticks.count.saturating_sub(self.ticks.count) as f64,
            in_kernel: passed(self.ticks.total, later.ticks.total),
            user: passed(self.user, later.user),
            target: passed(self.target, later.target),
        }
    }
}
