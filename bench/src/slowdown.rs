// SPDX-License-Identifier: MIT OR Apache-2.0

//! Measures how much slower a program is while it is sampled: its own count of work,
//! with and without sampling in turns. Each measurement with sampling is compared only
//! with those without just before and after it, since the machine's speed changes over
//! time.

use serde_json::{Value, json};

use super::chance::Rng;
use super::recorder::Recorder;
use super::round::Ratio;
use super::setting::Setting;
use super::spread::Spread;
use super::subject::{Subject as _, Work};
use super::target::Target;

/// The rates. `None` is the control, whose ratio shows the noise of the machine.
const RATES: [Option<u32>; 4] = [None, Some(10), Some(100), Some(1000)];

#[derive(Default)]
struct Ratios {
    per_cpu: Spread,
    per_wall: Spread,
}

/// Measures all rates, each once per round and in random order, so that changes over
/// time affect all of them alike.
pub(super) fn measure(setting: &Setting) -> anyhow::Result<Value> {
    let python = setting.main_python()?;
    let plan = setting.plan.pairs;
    let mut target = Target::start(
        &python.path,
        &setting.scripts,
        "bench_frames.py",
        &["asked"],
    )?;
    let mut all: [Ratios; RATES.len()] = Default::default();
    let mut order: [usize; RATES.len()] = std::array::from_fn(|index| index);
    let mut rng = Rng::new(RATES.len() as u64);
    target.work(plan.half)?;
    let mut before = target.work(plan.half)?;
    for _ in 0..plan.pairs {
        rng.shuffle(&mut order);
        for index in order {
            let with = sampled(setting, &mut target, RATES[index])?;
            let after = target.work(plan.half)?;
            let ratio = Ratio::new(before, with, after);
            all[index].per_cpu.add(ratio.per_cpu_second);
            all[index].per_wall.add(ratio.per_second);
            before = after;
        }
    }
    let rows = RATES.iter().zip(&all).map(|(rate, ratios)| {
        json!({
            "hz": rate,
            "pairs": plan.pairs,
            "cpu_seconds_each": plan.half.as_secs_f64(),
            "work_per_cpu_second_ratio": ratios.per_cpu.ratios_to_json(),
            "work_per_second_ratio": ratios.per_wall.ratios_to_json(),
        })
    });
    Ok(rows.collect())
}

/// Returns the target's work while it is sampled at `rate`, or for the control, while
/// it is not.
fn sampled(setting: &Setting, target: &mut Target, rate: Option<u32>) -> anyhow::Result<Work> {
    let half = setting.plan.pairs.half;
    let Some(hz) = rate else {
        return target.work(half);
    };
    let recorder = Recorder::start(&setting.binary, &setting.scratch, hz, &[target.pid()])?;
    let work = target.work(half)?;
    recorder.finish()?;
    Ok(work)
}
