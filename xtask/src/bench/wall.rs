//! Wall-clock mode beside other profilers: the same targets, all profilers in
//! turns. It refuses to judge what it measured.

use serde_json::{Value, json};

use super::contest::{Contest, Entry};
use super::figures::Figures;
use super::measure::Setting;
use super::profiler::Profiler;
use super::target::Target;
use super::turn::{Job, Ratio};
use crate::process::say;

/// What is sampled: threads of `bench_threads.py`.
#[derive(Clone, Copy, Debug)]
struct Load {
    kind: &'static str,
    threads: u32,
    hz: u32,
    /// Whether it works, so that it can be slowed down.
    works: bool,
    /// What pyebpf may cost in all, in percent of one CPU.
    limit: f64,
}

const LOADS: [Load; 3] = [
    Load {
        kind: "sleeping",
        threads: 2000,
        hz: 10,
        works: false,
        limit: 3.0,
    },
    Load {
        kind: "mixed",
        threads: 200,
        hz: 100,
        works: true,
        limit: 10.0,
    },
    Load {
        kind: "deep",
        threads: 1,
        hz: 1000,
        works: true,
        limit: 5.0,
    },
];

/// A profiler, or none for the control, and what it came to.
struct Contestant<'a> {
    profiler: Option<&'a dyn Profiler>,
    figures: Figures,
    /// Why it could not go on.
    failure: Option<String>,
}

/// Measures every target with every profiler that reads its Python.
pub(super) fn measure(setting: &Setting) -> anyhow::Result<Value> {
    let contest = Contest::of(setting)?;
    let mut rows = Vec::new();
    for load in LOADS {
        for entry in &contest.entries {
            say(format!(
                "measuring wall-clock mode beside others: {} {} at {} Hz, Python {}",
                load.kind, load.threads, load.hz, entry.python.version
            ));
            rows.extend(rows_of(setting, load, entry)?);
        }
    }
    Ok(json!({
        "seconds": setting.plan.wall.window.as_secs_f64(),
        "repetitions": setting.plan.wall.repetitions,
        "absent": contest.absent,
        "rows": rows,
    }))
}

fn rows_of(setting: &Setting, load: Load, entry: &Entry<'_>) -> anyhow::Result<Vec<Value>> {
    let threads = load.threads.to_string();
    let mut target = Target::start(
        &entry.python.path,
        &setting.scripts,
        "bench_threads.py",
        &[load.kind, &threads],
    )?;
    let mut job = Job {
        target: &mut target,
        hz: load.hz,
        scratch: &setting.scratch,
        plan: setting.plan.wall,
    };
    let control = load.works.then_some(None);
    let profilers = entry.profilers.iter().map(|it| Some(it.as_ref()));
    let mut contestants: Vec<Contestant<'_>> = control
        .into_iter()
        .chain(profilers)
        .map(|profiler| Contestant {
            profiler,
            figures: Figures::default(),
            failure: None,
        })
        .collect();
    for repetition in 0..setting.plan.wall.repetitions {
        for contestant in &mut contestants {
            contestant.take_turn(&mut job, load.works, repetition % 2 == 1)?;
        }
    }
    let row = |contestant: &Contestant<'_>| {
        let limit = contestant.is_ours().then_some(load.limit);
        json!({
            "target": format!("{} {}", load.kind, load.threads),
            "hz": load.hz,
            "python": entry.python.version,
            "profiler": contestant.profiler.map(Profiler::name),
            "limit_percent": limit,
            "failure": contestant.failure,
            "figures": contestant.figures.to_json(),
        })
    };
    Ok(contestants.iter().map(row).collect())
}

impl Contestant<'_> {
    fn is_ours(&self) -> bool {
        self.profiler.is_some_and(Profiler::is_ours)
    }

    /// One turn. A peer that fails is left out from then on, and the row says
    /// so; ours must not.
    fn take_turn(
        &mut self,
        job: &mut Job<'_>,
        works: bool,
        with_first: bool,
    ) -> anyhow::Result<()> {
        if self.failure.is_some() {
            return Ok(());
        }
        match self.pair(job, works, with_first) {
            Err(error) if self.profiler.is_some() && !self.is_ours() => {
                say(format!("leaving a profiler out from here on: {error:#}"));
                self.failure = Some(format!("{error:#}"));
                Ok(())
            }
            result => result,
        }
    }

    /// The target with and without, beside each other in time. Without a profiler
    /// both halves are: it shows the noise of the machine.
    fn pair(&mut self, job: &mut Job<'_>, works: bool, with_first: bool) -> anyhow::Result<()> {
        let before = if works && !with_first {
            Some(job.without()?)
        } else {
            None
        };
        let with = match self.profiler {
            Some(profiler) => {
                let (work, cost) = job.with(profiler)?;
                self.figures.add_cost(cost);
                work
            }
            None => job.without()?,
        };
        let after = if works && with_first {
            Some(job.without()?)
        } else {
            None
        };
        if let Some(without) = before.or(after) {
            self.figures.add_ratio(Ratio::of(with, without));
        }
        Ok(())
    }
}
