// SPDX-License-Identifier: MIT OR Apache-2.0

//! The part of the bench that runs as root: makes every measurement in turn, then
//! prints one JSON document on standard output. Building, formatting the tables and
//! writing the results are left to the user's process.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use super::contest::Contest;
use super::fetched::Fetched;
use super::plan::Plan;
use super::run_time::RunTimeClock;
use super::sample_cost::Phases;
use super::setting::{Python, Setting, versions};
use super::{
    growth, idle_tick, interrupt, machine, memory, oracle, sample_cost, slowdown, start, versus,
};
use xtask::process::say;

/// What every measuring process is told.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct MeasuredSubject {
    /// Fewer and shorter repetitions.
    #[arg(long)]
    pub(crate) quick: bool,
    /// The pyebpf to measure.
    #[arg(long)]
    pub(crate) binary: PathBuf,
    /// The directory of the targets' scripts.
    #[arg(long)]
    pub(crate) scripts: PathBuf,
    /// A directory for recordings, or for what servers keep.
    #[arg(long)]
    pub(crate) scratch: PathBuf,
    /// An interpreter; repeated.
    #[arg(long = "python")]
    pub(crate) pythons: Vec<PathBuf>,
}

/// What the process is told that measures everything but the server.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct MeasureArguments {
    #[command(flatten)]
    subject: MeasuredSubject,
    /// What was fetched, and what was not: see `Fetched`.
    #[arg(long)]
    fetched: PathBuf,
}

/// Measures everything and prints the document.
pub(crate) fn measure(arguments: &MeasureArguments) -> anyhow::Result<()> {
    interrupt::leave_to_children()?;
    let fetched = Fetched::read(&arguments.fetched)?;
    let subject = &arguments.subject;
    let setting = Setting {
        plan: Plan::new(subject.quick),
        binary: subject.binary.clone(),
        scripts: subject.scripts.clone(),
        scratch: subject.scratch.clone(),
        py_spy: fetched.py_spy,
        austin: fetched.austin,
        gunicorn: fetched.gunicorn,
        pythons: versions(&subject.pythons),
    };
    let others_before = machine::others_share();
    let mut stages = Stages::default();
    // Run-time statistics of BPF programs cost time themselves, so the slowdown is
    // measured before they are switched on.
    let slowdown = stages.run("how much slower the target gets", || {
        slowdown::measure(&setting)
    })?;
    let start = stages.run("the time to the first sample", || {
        start::measure(&setting, 50)
    })?;
    let memories = stages.run("memory", || {
        let counts = [1, 50, 200];
        let memories = counts.map(|count| memory::measure(&setting, count));
        memories.into_iter().collect::<anyhow::Result<Vec<_>>>()
    })?;
    let clock = RunTimeClock::start()?;
    let idle_tick = stages.run("the tick that hits nothing", || {
        idle_tick::measure(&setting)
    })?;
    let sample_cost = stages.run("what a sample costs", || {
        let cost = idle_tick["busy_ns"]["median"].as_f64();
        sample_costs(&setting, cost.context("no tick hit nothing")?)
    })?;
    let growth = stages.run("how cost grows", || growth::measure(&setting))?;
    let contest = Contest::new(&setting)?;
    let versus = stages.run("pyebpf beside others", || {
        versus::measure(&setting, &contest)
    })?;
    let oracle = stages.run("impossible stacks", || oracle::measure(&setting, &contest))?;
    drop(clock);
    let mut document = json!({
        "format": "pyebpf bench 2",
        "quick": subject.quick,
        "machine": machine::describe(&setting.binary),
        "python": setting.main_python()?.version,
        "seconds": stages.0,
        "tick": idle_tick,
        "sample": sample_cost,
        "memory": memories,
        "start": start,
        "slowdown": slowdown,
        "growth": growth,
        "versus": versus,
        "oracle": oracle,
    });
    document["machine"]["others"] = json!([others_before, machine::others_share()]);
    println!("{document}");
    Ok(())
}

/// How long each part took, in seconds.
#[derive(Default)]
struct Stages(Map<String, Value>);

impl Stages {
    fn run<T>(
        &mut self,
        name: &str,
        part: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        say(format!("measuring {name}"));
        let start = Instant::now();
        let result = part().with_context(|| format!("cannot measure {name}"))?;
        let seconds = start.elapsed().as_secs_f64().round();
        self.0.insert(name.to_owned(), json!(seconds));
        Ok(result)
    }
}

fn sample_costs(setting: &Setting, cost_of_nothing: f64) -> anyhow::Result<Vec<Value>> {
    let plan = setting.plan.sample;
    let fast = Phases {
        hz: 1000,
        repetitions: plan.repetitions,
        busy: plan.busy,
        idle: plan.idle,
    };
    let slow = Phases {
        hz: 10,
        repetitions: plan.slow_repetitions,
        busy: plan.slow_busy,
        idle: plan.slow_busy / 4,
    };
    let main = setting.main_python()?;
    let mut rows = Vec::new();
    for python in setting.pythons.iter().rev().step_by(plan.stride) {
        // The rows are reversed below: the oldest Python comes first, and the high rate
        // before the low one.
        if python.path == main.path {
            rows.push(sample_cost(setting, python, slow, cost_of_nothing)?);
        }
        rows.push(sample_cost(setting, python, fast, cost_of_nothing)?);
    }
    rows.reverse();
    Ok(rows)
}

fn sample_cost(
    setting: &Setting,
    python: &Python,
    phases: Phases,
    cost_of_nothing: f64,
) -> anyhow::Result<Value> {
    let (version, hz) = (&python.version, phases.hz);
    say(format!("measuring samples of Python {version} at {hz} Hz"));
    let mut row = sample_cost::measure(setting, &python.path, phases, cost_of_nothing)
        .with_context(|| format!("Python {version}, {}", python.path.display()))?;
    row["python"] = version.as_str().into();
    Ok(row)
}
