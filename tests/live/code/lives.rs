// SPDX-License-Identifier: MIT OR Apache-2.0

//! Code whose interpreter has ended, or that was freed: code that comes in its place,
//! at the same addresses, must not be shown under its name.

use std::time::{SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;
use tests::interpreters::Interpreter;

use crate::support::machine::{Machine, machine};
use crate::support::programs::library;
use crate::support::recording::Recording;
use crate::support::scratch::Scratch;
use crate::support::target::{Target, program_command};
use crate::support::timeline::Row;

/// How many jobs of a target are recorded.
const JOBS: usize = 20;
/// The minimum number of rows that a recording must have in jobs.
const ENOUGH: usize = 10;
/// Seconds at either end of a job that are not checked: clocks are read at different
/// moments.
const EDGE: f64 = 0.003;

/// A job of the target, as the target reports it.
struct Job {
    name: String,
    began: f64,
    ended: f64,
}

#[test]
#[ignore = "needs root and BPF"]
fn code_of_an_interpreter_that_has_ended_is_not_shown() {
    let machine = machine();
    machine.with_each_build("interpreters that come and go", |interpreter| {
        let mut said = Vec::new();
        for kind in ["legacy", "isolated"] {
            if kind == "isolated" && interpreter.minor < 12 {
                continue;
            }
            let mut target = Target::start(interpreter, "lives.py", &[kind]);
            if target.ready["available"] == false {
                return Ok("not run: this interpreter has no module for them".to_owned());
            }
            let result = check(machine, &mut target);
            said.push(result.map_err(|error| format!("{kind}: {error}"))?);
        }
        Ok(said.join(", "))
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn code_that_was_thrown_away_is_not_shown() {
    let machine = machine();
    machine.with_each_build("made code", |interpreter| {
        check(
            machine,
            &mut Target::start(interpreter, "lives.py", &["made"]),
        )
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn code_of_before_python_was_initialised_again_is_not_shown() {
    let machine = machine();
    let directory = Scratch::new();
    let library = library(directory.path(), "again.c");
    machine.with_each("initialised again", |interpreter: &Interpreter| {
        let mut command = program_command(&interpreter.path);
        command
            .env("LD_PRELOAD", &library)
            .env("PYEBPF_SCRIPTS", directory.path())
            .env("PYTHONDONTWRITEBYTECODE", "1");
        check(machine, &mut Target::run(command))
    });
}

fn check(machine: &Machine, target: &mut Target) -> Result<String, String> {
    let pid = target.pid().to_string();
    let mut recording = Recording::start(machine, &["--hz", "250", "--pid", &pid]);
    recording.wait_until_it_samples();
    let jobs = jobs(target);
    recording.be_patient();
    recording.signal(Signal::SIGINT);
    let timeline = recording.finish().timeline()?;
    let (mut right, mut wrong) = (0, Vec::new());
    for row in timeline.stacks() {
        let Some(job) = jobs.iter().find(|job| job.surely_ran_at(row.time)) else {
            continue;
        };
        let numbers = numbers(row);
        if numbers.iter().any(|number| *number != job.name) {
            wrong.push(format!("{numbers:?} in job {}", job.name));
        } else if !numbers.is_empty() {
            right += 1;
        }
    }
    let result = format!("{right} rows of {} jobs, {} wrong", jobs.len(), wrong.len());
    if right >= ENOUGH && wrong.is_empty() {
        Ok(result)
    } else {
        Err(format!("{result}: {wrong:?}; {:?}", timeline.counts))
    }
}

/// Waits until the target has done [`JOBS`] jobs from now on, and returns them.
fn jobs(target: &mut Target) -> Vec<Job> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("it is after 1970").as_secs_f64();
    let mut jobs: Vec<Job> = Vec::new();
    while jobs.len() < JOBS {
        let line = target.next_line();
        let time = |name: &str| line[name].as_f64().expect("a time");
        let job = Job {
            name: line["job"].as_str().expect("a name").to_owned(),
            began: time("began"),
            ended: time("ended"),
        };
        if job.began > now {
            jobs.push(job);
        }
    }
    jobs
}

impl Job {
    fn surely_ran_at(&self, time: f64) -> bool {
        self.began + EDGE < time && time < self.ended - EDGE
    }
}

/// Returns the numbers in the names of a row's functions: those of the job.
fn numbers(row: &Row) -> Vec<String> {
    let names = row.frames.iter().map(|frame| frame.short_name());
    let of_job = names.filter_map(|name| {
        let number = name.strip_prefix("outer_").or(name.strip_prefix("inner_"));
        number.map(ToOwned::to_owned)
    });
    of_job.collect()
}
