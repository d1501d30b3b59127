// SPDX-License-Identifier: MIT OR Apache-2.0

//! Measures how many impossible stacks profilers show: each records programs whose
//! possible stacks are known. The errors that a profiler itself reports are shown
//! beside that, not added to it.

use std::thread::sleep;

use serde_json::{Value, json};

use super::contest::Contest;
use super::judge::Judge;
use super::profiler::{Mode, Profiler, ProfilerJob};
use super::setting::{Python, Setting};
use super::target::Target;
use xtask::process::say;

/// A program, and how it is recorded.
struct Script {
    name: &'static str,
    arguments: &'static [&'static str],
    mode: Mode,
    hz: u32,
    outermost: &'static [&'static str],
}

const SCRIPTS: [Script; 2] = [
    Script {
        name: "chains.py",
        arguments: &[],
        mode: Mode::Cpu,
        hz: 1000,
        outermost: &["<module>"],
    },
    Script {
        name: "waiting_chains.py",
        arguments: &["8"],
        mode: Mode::Wall,
        hz: 200,
        outermost: &["<module>", "drive"],
    },
];

/// Has every profiler record both programs. A peer that fails gets a row without a
/// verdict.
pub(super) fn measure(setting: &Setting, contest: &Contest<'_>) -> anyhow::Result<Value> {
    let mut rows = Vec::new();
    for script in &SCRIPTS {
        say(format!("judging the stacks of {}", script.name));
        let judge = Judge::read(&setting.scripts.join(script.name), script.outermost)?;
        for entry in &contest.entries {
            for profiler in entry.profilers.iter().filter(|it| it.has(script.mode)) {
                let profiler = profiler.as_ref();
                let mut row = json!({
                    "script": script.name,
                    "mode": script.mode.name(),
                    "hz": script.hz,
                    "python": entry.python.version,
                    "profiler": profiler.name(),
                    "options": profiler.options(script.mode),
                    "ours": profiler.is_ours(),
                });
                match judged(setting, script, &judge, entry.python, profiler) {
                    Ok(found) => row["found"] = found,
                    Err(error) if !profiler.is_ours() => {
                        row["failure"] = format!("{error:#}").into();
                    }
                    Err(error) => return Err(error),
                }
                rows.push(row);
            }
        }
    }
    Ok(rows.into())
}

fn judged(
    setting: &Setting,
    script: &Script,
    judge: &Judge,
    python: &Python,
    profiler: &dyn Profiler,
) -> anyhow::Result<Value> {
    // Both programs print this instead of `ready`.
    let target = Target::start_saying(
        &python.path,
        &setting.scripts,
        script.name,
        script.arguments,
        "{}",
    )?;
    let running = profiler.start(&ProfilerJob {
        subject: &target,
        mode: script.mode,
        hz: script.hz,
        has_children: false,
        place: &setting.scratch,
    })?;
    sleep(setting.plan.oracle);
    let outcome = running.finish(true)?;
    let verdict = judge.judge(&outcome.stacks);
    Ok(json!({
        "judged": verdict.judged,
        "impossible": verdict.impossible,
        "example": verdict.example,
        "errors_percent": 100.0 * outcome.errors,
    }))
}
