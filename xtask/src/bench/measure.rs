//! The part that runs as root: every measurement in turn, then one JSON
//! document on standard output. It refuses to build, to write files and to
//! format tables.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::plan::Plan;
use super::run_time::RunTimeClock;
use super::sample_cost::Phases;
use super::{idle_tick, interrupt, machine, memory, sample_cost, slowdown, wall};
use crate::process::{probe, say};

const PRINT_VERSION: &str = "import sys; print('%d.%d.%d' % sys.version_info[:3], sys.executable)";

/// What the measuring process is told.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct MeasureArguments {
    /// Fewer and shorter repetitions.
    #[arg(long)]
    quick: bool,
    /// The pyebpf to measure.
    #[arg(long)]
    binary: PathBuf,
    /// The directory of the targets' scripts.
    #[arg(long)]
    scripts: PathBuf,
    /// A directory for recordings.
    #[arg(long)]
    scratch: PathBuf,
    /// An interpreter; repeated.
    #[arg(long = "python")]
    pythons: Vec<PathBuf>,
    /// The py-spy to measure beside it.
    #[arg(long, required_unless_present = "without_py_spy")]
    py_spy: Option<PathBuf>,
    /// Why there is none.
    #[arg(long, conflicts_with = "py_spy")]
    without_py_spy: Option<String>,
}

/// An interpreter and its version.
pub(super) struct Python {
    pub(super) path: PathBuf,
    pub(super) version: String,
    /// Where it lies in its own eyes: `path` may bring it into a root of its own.
    pub(super) executable: String,
}

/// What every measurement needs to know.
pub(super) struct Setting {
    pub(super) plan: Plan,
    pub(super) binary: PathBuf,
    pub(super) scripts: PathBuf,
    pub(super) scratch: PathBuf,
    /// py-spy, or why there is none.
    pub(super) py_spy: Result<PathBuf, String>,
    /// Oldest version first.
    pub(super) pythons: Vec<Python>,
}

impl Setting {
    /// The interpreter for what is measured with one alone: the newest.
    pub(super) fn main_python(&self) -> anyhow::Result<&Python> {
        let newest = self.pythons.last();
        newest.context("there is no Python to sample")
    }
}

/// Measures everything and prints it.
pub(crate) fn measure(arguments: &MeasureArguments) -> anyhow::Result<()> {
    interrupt::leave_to_children()?;
    let setting = Setting {
        plan: Plan::new(arguments.quick),
        binary: arguments.binary.clone(),
        scripts: arguments.scripts.clone(),
        scratch: arguments.scratch.clone(),
        py_spy: arguments
            .py_spy
            .clone()
            .ok_or_else(|| arguments.without_py_spy.clone().unwrap_or_default()),
        pythons: versions(&arguments.pythons),
    };
    let load_before = machine::load();
    let clock = RunTimeClock::start()?;
    say("measuring the tick that hits nothing");
    let idle_tick = idle_tick::measure(&setting)?;
    let sample_cost = sample_costs(&setting)?;
    // This needs the clock too: ticks are part of what a profiler costs.
    let wall = wall::measure(&setting)?;
    // The clock itself costs something, so the rest runs without it.
    drop(clock);
    let mut memories = Vec::new();
    for count in [1, 50] {
        say(format!("measuring memory with {count} processes"));
        memories.push(memory::measure(&setting, count)?);
    }
    say("measuring how much slower the target gets");
    let slowdown = slowdown::measure(&setting)?;
    let mut document = json!({
        "format": "pyebpf bench 1",
        "quick": arguments.quick,
        "machine": machine::describe(&setting.binary),
        "python": setting.main_python()?.version,
        "tick": idle_tick,
        "sample": sample_cost,
        "memory": memories,
        "slowdown": slowdown,
        "wall": wall,
    });
    document["machine"]["load"] = json!([load_before, machine::load()]);
    println!("{document}");
    Ok(())
}

fn sample_costs(setting: &Setting) -> anyhow::Result<Vec<Value>> {
    let plan = setting.plan;
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
    for python in &setting.pythons {
        rows.push(sample_cost(setting, python, fast)?);
        if python.path == main.path {
            rows.push(sample_cost(setting, python, slow)?);
        }
    }
    Ok(rows)
}

fn sample_cost(setting: &Setting, python: &Python, phases: Phases) -> anyhow::Result<Value> {
    let (version, hz) = (&python.version, phases.hz);
    say(format!("measuring samples of Python {version} at {hz} Hz"));
    let mut row = sample_cost::measure(setting, &python.path, phases)
        .with_context(|| format!("Python {version}, {}", python.path.display()))?;
    row["python"] = version.as_str().into();
    Ok(row)
}

fn versions(paths: &[PathBuf]) -> Vec<Python> {
    let mut found = Vec::new();
    for path in paths {
        let printed = probe(Command::new(path).args(["-c", PRINT_VERSION]));
        let words = printed.as_deref().and_then(|it| it.split_once(' '));
        match words.map(|(version, executable)| (version.to_owned(), executable.to_owned())) {
            Some((version, executable)) => found.push(Python {
                path: path.clone(),
                version,
                executable,
            }),
            None => say(format!("leaving out {}: it does not run", path.display())),
        }
    }
    found.sort_by_key(|python| number(&python.version));
    found
}

/// A version as numbers, to compare it.
fn number(version: &str) -> Vec<u32> {
    version
        .split('.')
        .map_while(|part| part.parse().ok())
        .collect()
}
