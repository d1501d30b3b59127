// SPDX-License-Identifier: MIT OR Apache-2.0

//! Measures pyebpf and other profilers at the same targets, all profilers in turns.

use serde_json::{Value, json};

use super::chance::Rng;
use super::contest::{Contest, Entry};
use super::figures::Figures;
use super::loads::{LOADS, Load, Rate};
use super::profiler::Profiler;
use super::round::{Job, Ratio};
use super::setting::Setting;
use super::subject::Work;
use xtask::process::say;

/// A profiler at a rate, or for the control neither, and its figures.
struct Contestant<'a> {
    profiler: Option<(&'a dyn Profiler, Rate)>,
    figures: Figures,
    /// Why it was left out from some round on, if it failed.
    failure: Option<String>,
}

/// Measures every target with every profiler that can read its Python.
pub(super) fn measure(setting: &Setting, contest: &Contest<'_>) -> anyhow::Result<Value> {
    let mut rows = Vec::new();
    let mut absent = contest.absent.clone();
    for (number, load) in LOADS.iter().enumerate() {
        if load.needs_gunicorn()
            && let Err(reason) = &setting.gunicorn
        {
            absent.push(format!("the target \"{}\": {reason}", load.name));
            continue;
        }
        for (place, entry) in contest.entries.iter().enumerate() {
            let contestants = contestants(setting, load, entry, (number == 0, place == 0));
            if contestants.iter().all(|it| it.profiler.is_none()) {
                continue;
            }
            say(format!(
                "measuring beside others: {}, Python {}",
                load.name, entry.python.version
            ));
            rows.extend(rows_of(setting, load, entry, contestants)?);
        }
    }
    let rounds = setting.plan.rounds;
    Ok(json!({
        "seconds": rounds.window.as_secs_f64(),
        "turns": rounds.repetitions,
        "absent": absent,
        "targets": LOADS.map(|load| json!({"name": load.name, "about": load.about})),
        "rows": rows,
    }))
}

/// Returns everything that takes turns at a target. Beside a peer that reads another
/// Python than the first, pyebpf is measured only at the first target.
fn contestants<'a>(
    setting: &Setting,
    load: &Load,
    entry: &'a Entry<'_>,
    (is_first_load, is_first_python): (bool, bool),
) -> Vec<Contestant<'a>> {
    let of = |profiler| Contestant {
        profiler,
        figures: Figures::default(),
        failure: None,
    };
    let has_ours = is_first_load || is_first_python;
    let wanted = |rate: &&Rate| rate.quick || !setting.plan.is_quick;
    let mut all = Vec::new();
    for rate in load.rates.iter().filter(wanted) {
        let profilers = entry.profilers.iter().map(Box::as_ref);
        let those = profilers.filter(|it| it.has(rate.mode) && (has_ours || !it.is_ours()));
        all.extend(those.map(|it| of(Some((it, *rate)))));
    }
    if is_first_python {
        let ours = entry.profilers.iter().find(|it| it.is_ours());
        for rate in load.own_rates.iter().filter(wanted) {
            all.extend(ours.map(|it| of(Some((it.as_ref(), *rate)))));
        }
    }
    if load.works && is_first_python {
        all.push(of(None));
    }
    all
}

fn rows_of(
    setting: &Setting,
    load: &Load,
    entry: &Entry<'_>,
    mut contestants: Vec<Contestant<'_>>,
) -> anyhow::Result<Vec<Value>> {
    let start = || load.start(&entry.python.path, &setting.scripts);
    let mut subject = start()?;
    let mut rng = Rng::new(LOADS.len() as u64);
    let mut order: Vec<usize> = (0..contestants.len()).collect();
    for _ in 0..setting.plan.rounds.repetitions {
        rng.shuffle(&mut order);
        let mut before = None;
        for index in &order {
            let contestant = &mut contestants[*index];
            if contestant.failure.is_some() {
                continue;
            }
            let mut job = Job {
                subject: subject.as_mut(),
                has_children: load.has_children(),
                place: &setting.scratch,
                plan: setting.plan.rounds,
            };
            match contestant.take_turn(&mut job, load.works, before) {
                Ok(after) => before = after,
                Err(error) if contestant.is_peer() => {
                    say(format!("leaving a profiler out from here on: {error:#}"));
                    contestant.failure = Some(format!("{error:#}"));
                    // It may have left the target in any state.
                    before = None;
                    drop(subject);
                    subject = start()?;
                }
                Err(error) => return Err(error),
            }
        }
    }
    let row = |contestant: &Contestant<'_>| {
        let profiler = contestant.profiler;
        json!({
            "target": load.name,
            "python": entry.python.version,
            "mode": profiler.map(|(_, rate)| rate.mode.name()),
            "hz": profiler.map(|(_, rate)| rate.hz),
            "profiler": profiler.map(|(it, _)| it.name()),
            "options": profiler.map(|(it, rate)| it.options(rate.mode)),
            "ours": profiler.is_some_and(|(it, _)| it.is_ours()),
            "limit_percent": profiler
                .filter(|(it, _)| it.is_ours())
                .and_then(|(_, rate)| rate.limit),
            "failure": contestant.failure,
            "figures": contestant.figures.to_json(),
        })
    };
    Ok(contestants.iter().map(row).collect())
}

impl Contestant<'_> {
    fn is_peer(&self) -> bool {
        self.profiler.is_some_and(|(it, _)| !it.is_ours())
    }

    /// Measures the target with a profiler, between two times without one, and returns
    /// the second of these. The control has no profiler in between, which shows the
    /// noise of the machine.
    fn take_turn(
        &mut self,
        job: &mut Job<'_>,
        works: bool,
        before: Option<Work>,
    ) -> anyhow::Result<Option<Work>> {
        let before = match before {
            None if works => Some(job.without()?),
            before => before,
        };
        let with = match self.profiler {
            Some((profiler, rate)) => {
                let (work, cost) = job.with(profiler, rate.mode, rate.hz)?;
                self.figures.add_cost(&cost);
                work
            }
            None => job.without()?,
        };
        let Some(before) = before else {
            return Ok(None);
        };
        let after = job.without()?;
        self.figures.add_ratio(Ratio::new(before, with, after));
        Ok(Some(after))
    }
}
