// SPDX-License-Identifier: MIT OR Apache-2.0

//! The time shown is the time that the kernel has counted, whatever the rhythm of the
//! program and of the samples.
//!
//! A script works while it is recorded and reports what the kernel has counted for it;
//! the recording begins before that and ends after it. How far a sum may be off by
//! chance is known. `PYEBPF_FIELD_RUNS` sets how often each case is recorded: many runs
//! reveal an error that always has the same sign, however small.

use std::env;
use std::fs;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;
use tests::interpreters::Interpreter;

use crate::support::machine::{Machine, machine, name, say, slowness};
use crate::support::recording::{Recording, TIMELINE};
use crate::support::target::Target;

/// A rhythm of work and rest.
#[derive(Clone, Copy, Debug)]
struct Case {
    /// How the script works: see `scripts/duty.py`.
    kind: &'static str,
    /// Milliseconds of work and, below, of rest.
    work: f64,
    rest: f64,
    count: u32,
    hz: u32,
    seconds: f64,
}

const fn case(
    kind: &'static str,
    (work, rest): (f64, f64),
    count: u32,
    (hz, seconds): (u32, f64),
) -> Case {
    Case {
        kind,
        work,
        rest,
        count,
        hz,
        seconds,
    }
}

impl Case {
    /// The rate on this machine, in samples per second.
    fn rate(&self) -> u32 {
        (self.hz / slowness()).max(1)
    }
}

/// Recorded in every run of the tests.
const FEW: &[Case] = &[
    case("threads", (90.0, 100.0), 1, (10, 6.0)),
    case("step", (20.0, 100.0), 1, (10, 8.0)),
    case("threads", (3.0, 7.0), 1, (49, 3.0)),
    case("threads", (10.0, 9.0), 1, (100, 3.0)),
    case("threads", (10.0, 0.0), 4, (100, 2.0)),
    case("churn", (5.0, 5.0), 4, (100, 3.0)),
    case("forks", (50.0, 20.0), 2, (100, 3.0)),
    case("threads", (0.5, 1.0), 2, (997, 2.0)),
];

/// Recorded in addition if each case is recorded many times.
const MORE: &[Case] = &[
    case("threads", (10.0, 90.0), 1, (10, 4.0)),
    case("threads", (90.0, 10.0), 1, (10, 4.0)),
    case("threads", (2000.0, 500.0), 1, (10, 6.0)),
    case("step", (50.0, 100.0), 1, (10, 4.0)),
    case("step", (10.0, 20.0), 1, (49, 3.0)),
    case("step", (3.0, 10.0), 1, (100, 3.0)),
    case("threads", (1.0, 50.0), 200, (49, 3.0)),
    case("threads", (50.0, 150.0), 1, (49, 3.0)),
    case("threads", (10.0, 0.0), 2, (997, 2.0)),
    case("forks", (50.0, 50.0), 2, (49, 3.0)),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Cpu,
    Wall,
    /// With scans at each tick, as before Linux 6.15.
    WallByScans,
}

/// What the kernel has counted, in seconds.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    cpu: f64,
    runnable: f64,
    /// 0 if unknown.
    life: f64,
}

/// What a recording shows, in seconds.
#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    /// The sum of all weights in the folded stacks and, below, in the timeline.
    folded: f64,
    timeline: f64,
    running: f64,
    runnable: f64,
    all: f64,
    /// The time of ticks whose samples are not shown, such as those in a thread that has
    /// just been created and has no Python stack yet; below, the same of all samples.
    ticks_not_shown: f64,
    not_shown: f64,
}

impl Shown {
    /// Returns by how much each sum differs from what the kernel has counted.
    fn differences(&self, counted: &Counted, mode: Mode) -> [f64; 5] {
        let of_cpu = |shown: f64| shown + self.ticks_not_shown - counted.cpu;
        let running = of_cpu(self.running);
        if mode == Mode::Cpu {
            return [
                of_cpu(self.folded),
                of_cpu(self.timeline),
                running,
                0.0,
                0.0,
            ];
        }
        // Of threads that last for one round only, and of processes, the script reports no
        // life.
        if counted.life == 0.0 {
            return [0.0, 0.0, running, 0.0, 0.0];
        }
        let runnable = self.runnable - counted.runnable;
        let life = self.all + self.not_shown - counted.life;
        [0.0, 0.0, running, runnable, life]
    }
}

fn runs() -> u32 {
    let said = env::var("PYEBPF_FIELD_RUNS");
    said.map_or(1, |it| it.parse().expect("a number of runs"))
}

fn cases() -> impl Iterator<Item = &'static Case> {
    let more = if runs() > 1 { MORE } else { &[] };
    FEW.iter().chain(more)
}

#[test]
#[ignore = "needs root and BPF"]
fn cpu_time_is_the_kernels() {
    let machine = machine();
    let interpreter = machine.interpreter();
    let failed: Vec<_> = cases()
        .filter_map(|case| judged(machine, interpreter, case, Mode::Cpu).err())
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
#[ignore = "needs root and BPF"]
fn the_states_of_a_life_are_the_kernels() {
    let machine = machine();
    let interpreter = machine.interpreter();
    let failed: Vec<_> = cases()
        .filter_map(|case| judged(machine, interpreter, case, Mode::Wall).err())
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
#[ignore = "needs root and BPF"]
fn the_states_of_a_life_are_the_kernels_by_scans_alone() {
    let machine = machine();
    let interpreter = machine.interpreter();
    let failed: Vec<_> = cases()
        .filter_map(|case| judged(machine, interpreter, case, Mode::WallByScans).err())
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
#[ignore = "needs root and BPF"]
fn times_are_the_kernels_with_every_version() {
    let machine = machine();
    let case = case("threads", (6.0, 4.0), 2, (100, 1.5));
    machine.with_each_build("times", |interpreter| {
        judged(machine, interpreter, &case, Mode::Cpu)?;
        judged(machine, interpreter, &case, Mode::Wall)
    });
}

/// Records the case as often as [`runs`] says, and compares the averages.
fn judged(
    machine: &Machine,
    interpreter: &Interpreter,
    case: &Case,
    mode: Mode,
) -> Result<String, String> {
    let mut errors = [0.0; 5];
    let mut spread = [0.0; 2];
    let mut last = (Shown::default(), Counted::default());
    for _ in 0..runs() {
        let (shown, counted) = recorded(machine, interpreter, case, mode)?;
        let differences = shown.differences(&counted, mode);
        for (sum, difference) in errors.iter_mut().zip(differences) {
            *sum += difference;
        }
        let times = [counted.cpu, counted.runnable];
        for (sum, time) in spread.iter_mut().zip(times) {
            *sum += by_chance(case, time, counted.life).powi(2);
        }
        last = (shown, counted);
    }
    let number = f64::from(runs());
    // Four standard errors for a single run, since some cases are recorded every day.
    let most = if runs() > 1 { 3.0 } else { 4.0 };
    let by_chance = spread.map(|sum: f64| most * sum.sqrt() / number);
    let (shown, counted) = last;
    let said = format!(
        "{case:?}, {mode:?}, {}: {shown:?} of {counted:?}, on average {:.3?} s off, by chance up to {by_chance:.3?}",
        name(interpreter),
        errors.map(|sum| sum / number),
    );
    say(format!("  {said}"));
    // What the main thread does, and what the interpreter does before and after.
    let allowed = by_chance[0] + 0.015 + 0.02 * counted.cpu;
    // The errors of ticks fall to waits for a CPU if a thread does not sleep.
    let allowed_runnable = by_chance[1] + 0.015 + 0.02 * counted.cpu + 0.03 * counted.runnable;
    // When a thread's first and last scan come is left to chance. In between, nothing is.
    let threads = f64::from(case.count);
    let of_ends = most * (threads / number).sqrt() / f64::from(case.hz);
    let allowed_life = of_ends + 0.015 + 0.001 * counted.life;
    let [folded, timeline, running, runnable, all] = errors.map(|sum| (sum / number).abs());
    let is_right = [folded, timeline, running].iter().all(|it| *it <= allowed)
        && runnable <= allowed_runnable
        && all <= allowed_life;
    if is_right { Ok(said) } else { Err(said) }
}

/// Returns the standard error of the sum of the samples of `time`, a part of `life` (0 if
/// unknown), in seconds: each sample is a random event.
fn by_chance(case: &Case, time: f64, life: f64) -> f64 {
    let period = 1.0 / f64::from(case.hz);
    let share = if life > 0.0 {
        (time / life).min(1.0)
    } else {
        0.0
    };
    let samples = time / period * (1.0 - share) + 1.0;
    period * samples.sqrt()
}

fn recorded(
    machine: &Machine,
    interpreter: &Interpreter,
    case: &Case,
    mode: Mode,
) -> Result<(Shown, Counted), String> {
    let numbers = [case.work / 1000.0, case.rest / 1000.0].map(|it| it.to_string());
    let count = case.count.to_string();
    let arguments = [case.kind, &numbers[0], &numbers[1], &count];
    let mut target = Target::start(interpreter, "duty.py", &arguments);
    let pid = target.pid().to_string();
    let hz = case.rate().to_string();
    let (mode_name, environment): (_, &[_]) = match mode {
        Mode::Cpu => ("cpu", &[]),
        Mode::Wall => ("wall", &[]),
        Mode::WallByScans => ("wall", &[("PYEBPF_PASSES", "kernel")]),
    };
    let arguments = [
        "--mode",
        mode_name,
        "--hz",
        &hz,
        "--pid",
        &pid,
        "-o",
        "all.pyebpf",
        "-o",
        "all.folded",
    ];
    let mut recording = Recording::start_with(machine, &arguments, environment);
    recording.wait_until_it_samples();
    target.say(&(case.seconds * f64::from(slowness())).to_string());
    let counted = target.next_line();
    recording.signal(Signal::SIGINT);
    let finished = recording.finish();
    finished.timeline()?;
    let timeline = fs::read_to_string(finished.path(TIMELINE));
    let timeline = timeline.ok().as_deref().and_then(weights);
    let timeline = timeline.ok_or("a timeline without weights")?;
    let number = |name: &str| counted[name].as_f64().ok_or("no number");
    let counted = Counted {
        cpu: number("cpu")?,
        runnable: number("runnable")?,
        life: number("life")?,
    };
    let folded = fs::read_to_string(finished.path("all.folded"));
    let folded = folded.map_err(|error| format!("all.folded: {error}"))?;
    let folded: u64 = folded
        .lines()
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum();
    let report = Command::new(&machine.pyebpf)
        .arg("report")
        .arg(finished.path("all.pyebpf"))
        .arg("--json")
        .output()
        .map_err(|error| error.to_string())?;
    let report: Value =
        serde_json::from_slice(&report.stdout).map_err(|error| error.to_string())?;
    Ok((shown(case, &report, folded, timeline), counted))
}

/// Sums up the outputs: `folded` and `timeline` are of all threads, the states only of
/// those that work.
fn shown(case: &Case, report: &Value, folded: u64, timeline: f64) -> Shown {
    let mut shown = Shown {
        folded: folded as f64 / 1e6,
        timeline,
        ..Shown::default()
    };
    let processes = || report["processes"].as_array().into_iter().flatten();
    for process in processes() {
        let count = |name: &str| process["counts"][name].as_f64().unwrap_or(0.0);
        shown.ticks_not_shown += (count("ticked_us") - count("seen_us")) / 1e6;
        // What a thread that ran while it was looked at waited for before is shown.
        let not_shown = count("refused") - count("moved");
        shown.not_shown += not_shown / f64::from(case.rate());
    }
    let threads = processes().flat_map(|it| it["threads"].as_array().into_iter().flatten());
    for thread in threads {
        let is_main = thread["name"].as_str() == Some("MainThread");
        if is_main && case.kind != "forks" {
            continue;
        }
        let state = |name: &str| thread["states_us"][name].as_f64().unwrap_or(0.0) / 1e6;
        shown.running += state("running");
        shown.runnable += state("runnable");
        shown.all += thread["total_us"].as_f64().unwrap_or(0.0) / 1e6;
    }
    shown
}

/// Returns the seconds that all rows of a timeline count for.
fn weights(timeline: &str) -> Option<f64> {
    let timeline: Value = serde_json::from_str(timeline).ok()?;
    let weights = &timeline.as_array()?.last()?[4]["cols"]["weight"];
    let of_row = |weight: &Value| match weight.as_array() {
        Some(parts) => parts.iter().filter_map(Value::as_f64).sum(),
        None => weight.as_f64().unwrap_or(0.0),
    };
    Some(weights.as_array()?.iter().map(of_row).sum::<f64>() / 1e6)
}
