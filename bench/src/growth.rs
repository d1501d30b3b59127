// SPDX-License-Identifier: MIT OR Apache-2.0

//! Measures curves: what pyebpf costs as the depth of stacks, the number of threads and
//! the number of processes grow.

use std::thread::sleep;
use std::time::Instant;

use serde_json::{Value, json};

use super::plan::GrowthPlan;
use super::procfs;
use super::profiler::Mode;
use super::recorder::Recorder;
use super::setting::Setting;
use super::spread::Spread;
use super::subject::Subject as _;
use super::target::Target;
use xtask::process::say;

/// A curve, and how its points are measured.
struct Curve {
    name: &'static str,
    /// What grows, in words.
    of: &'static str,
    points: &'static [u32],
    script: &'static str,
    /// The script's arguments; `N` is replaced by the point's number.
    arguments: &'static [&'static str],
    mode: Mode,
    hz: u32,
    unit: Unit,
}

/// The figure that a curve shows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Unit {
    /// CPU time per stack, in microseconds.
    MicrosecondsPerStack,
    /// All CPU time, in percent of one CPU.
    Percent,
}

const DEPTHS: &[u32] = &[8, 16, 32, 64, 128, 256, 512, 1024];
const THREADS: &[u32] = &[1, 10, 100, 500, 1000, 2000];
const PROCESSES: &[u32] = &[1, 25, 50, 100, 200];

const IDLE: Curve = Curve {
    name: "idle threads, cpu",
    of: "threads that sleep, beside a busy one",
    points: THREADS,
    script: "bench_threads.py",
    arguments: &["deep", "1", "sleeping", "N"],
    mode: Mode::Cpu,
    hz: 100,
    unit: Unit::Percent,
};

const RUNNING: Curve = Curve {
    name: "running threads, wall",
    of: "threads that run briefly between two scans",
    points: THREADS,
    script: "bench_threads.py",
    arguments: &["pausing", "N"],
    mode: Mode::Wall,
    hz: 10,
    unit: Unit::Percent,
};

const CHILDREN: Curve = Curve {
    name: "processes, cpu",
    of: "processes that are a little busy",
    points: PROCESSES,
    script: "bench_processes.py",
    arguments: &["N"],
    mode: Mode::Cpu,
    hz: 100,
    unit: Unit::Percent,
};

const CURVES: [Curve; 7] = [
    Curve {
        name: "depth, cpu",
        of: "frames of the stack of one busy thread",
        points: DEPTHS,
        script: "bench_threads.py",
        arguments: &["--depth", "N", "deep", "1"],
        mode: Mode::Cpu,
        hz: 1000,
        unit: Unit::MicrosecondsPerStack,
    },
    IDLE,
    Curve {
        name: "idle threads, wall",
        mode: Mode::Wall,
        ..IDLE
    },
    Curve {
        name: "running threads, cpu",
        of: "busy threads, which fight for the GIL",
        arguments: &["busy", "N"],
        ..IDLE
    },
    RUNNING,
    CHILDREN,
    Curve {
        name: "processes, wall",
        mode: Mode::Wall,
        hz: 10,
        ..CHILDREN
    },
];

/// Curves that a quick run leaves out: no goal depends on them.
const FULL_ALONE: [&str; 3] = [
    "idle threads, wall",
    "running threads, cpu",
    "processes, wall",
];

/// Measures all curves. The kernel's run-time statistics of BPF programs must be on.
pub(super) fn measure(setting: &Setting) -> anyhow::Result<Value> {
    let mut curves = Vec::new();
    let wanted = |curve: &&Curve| !setting.plan.is_quick || !FULL_ALONE.contains(&curve.name);
    for curve in CURVES.iter().filter(wanted) {
        say(format!("measuring how cost grows: {}", curve.name));
        let mut points = Vec::new();
        for count in chosen(curve.points, setting.plan.growth.stride) {
            points.push(point(setting, curve, count)?);
        }
        curves.push(json!({
            "name": curve.name,
            "of": curve.of,
            "mode": curve.mode.name(),
            "hz": curve.hz,
            "unit": match curve.unit {
                Unit::MicrosecondsPerStack => "us per stack",
                Unit::Percent => "% of one CPU",
            },
            "points": points,
        }));
    }
    Ok(curves.into())
}

/// Returns every `stride`th point, counted from the last, and always the first.
fn chosen(points: &[u32], stride: usize) -> Vec<u32> {
    let mut chosen: Vec<u32> = points.iter().rev().step_by(stride).copied().collect();
    chosen.extend(points.first().filter(|first| !chosen.contains(first)));
    chosen.reverse();
    chosen
}

fn point(setting: &Setting, curve: &Curve, count: u32) -> anyhow::Result<Value> {
    let count_text = count.to_string();
    let arguments = curve.arguments.iter().map(|it| match *it {
        "N" => count_text.as_str(),
        other => other,
    });
    let arguments: Vec<&str> = arguments.collect();
    let python = setting.main_python()?;
    let target = Target::start(&python.path, &setting.scripts, curve.script, &arguments)?;
    let GrowthPlan {
        repetitions,
        warm_up,
        window,
        ..
    } = setting.plan.growth;
    let (mode, processes) = (curve.mode.name(), [target.pid()]);
    let recorder = Recorder::start_mode(
        &setting.binary,
        &setting.scratch,
        mode,
        curve.hz,
        &processes,
    )?;
    let cpu = || procfs::cpu_time_of_tree(target.pid());
    let cpu_at_start = cpu()?;
    sleep(warm_up);
    let mut measured = Vec::new();
    let mut before = (recorder.spent()?, cpu()?, Instant::now());
    for _ in 0..repetitions {
        sleep(window);
        let after = (recorder.spent()?, cpu()?, Instant::now());
        let spent = after.0.since(before.0);
        let in_target = after.1.saturating_sub(before.1).as_secs_f64();
        let time = after.2.duration_since(before.2).as_secs_f64();
        measured.push((spent, in_target, time));
        before = after;
    }
    let all = before.1.saturating_sub(cpu_at_start).as_secs_f64();
    let account = recorder.finish()?;
    let mut cost = Spread::default();
    let mut in_kernel = Spread::default();
    for (spent, in_target, time) in measured {
        let (process, uncharged) = (spent.process.as_secs_f64(), spent.uncharged.as_secs_f64());
        // The number of stacks in a window is not known; it is proportional to the CPU
        // time of the target.
        let scale = match curve.unit {
            Unit::Percent => 100.0 / time,
            Unit::MicrosecondsPerStack => 1e6 * all / (account.shown as f64 * in_target),
        };
        cost.add(scale * (process + uncharged));
        in_kernel.add(scale * uncharged);
    }
    Ok(json!({
        "count": count,
        "cost": cost.to_json(),
        "uncharged": in_kernel.to_json(),
        "taken": account.taken,
        "shown": account.shown,
        "depth": account.depth,
        "peak_kib": account.peak_memory,
    }))
}

#[cfg(test)]
mod tests {
    use super::chosen;

    #[test]
    fn both_ends_of_a_curve_are_always_measured() {
        assert_eq!(chosen(&[1, 2, 3, 4, 5], 1), [1, 2, 3, 4, 5]);
        assert_eq!(chosen(&[1, 2, 3, 4, 5], 3), [1, 2, 5]);
        assert_eq!(chosen(&[1, 2, 3, 4], 3), [1, 4]);
    }
}
