//! How much slower a program is while it is sampled: its own count of work,
//! with and without, in turns. It refuses to average: a pair's halves are
//! neighbours in time, and only the ratio of a pair counts.

use serde_json::{Value, json};

use super::measure::Setting;
use super::recorder::Recorder;
use super::spread::Spread;
use super::target::{Target, Work};

/// The rates; none is the control: its ratio shows what the machine's own noise
/// looks like.
const RATES: [Option<u32>; 4] = [None, Some(10), Some(100), Some(1000)];

#[derive(Default)]
struct Ratios {
    per_cpu: Spread,
    per_wall: Spread,
}

/// Measures all rates, a pair of each in turn, so that what changes with time
/// falls on all of them.
pub(super) fn measure(setting: &Setting) -> anyhow::Result<Value> {
    let python = setting.main_python()?;
    let mut target = Target::start(
        &python.path,
        &setting.scripts,
        "bench_frames.py",
        &["asked"],
    )?;
    let mut all: [Ratios; RATES.len()] = Default::default();
    target.work(setting.plan.half)?;
    for pair in 0..setting.plan.pairs {
        for (rate, ratios) in RATES.iter().zip(&mut all) {
            // Every second pair the other way round: with comes first.
            let (without, with) = if pair % 2 == 0 {
                let without = target.work(setting.plan.half)?;
                (without, half(setting, &mut target, *rate)?)
            } else {
                let with = half(setting, &mut target, *rate)?;
                (target.work(setting.plan.half)?, with)
            };
            let per_cpu = with.per_cpu_second() / without.per_cpu_second();
            ratios.per_cpu.add(per_cpu);
            ratios
                .per_wall
                .add(with.per_second() / without.per_second());
        }
    }
    let rows = RATES.iter().zip(&all).map(|(rate, ratios)| {
        json!({
            "hz": rate,
            "pairs": setting.plan.pairs,
            "cpu_seconds_each": setting.plan.half.as_secs_f64(),
            "work_per_cpu_second_ratio": ratios.per_cpu.to_json(),
            "work_per_second_ratio": ratios.per_wall.to_json(),
        })
    });
    Ok(rows.collect())
}

/// The half of a pair that is sampled, or for the control is not.
fn half(setting: &Setting, target: &mut Target, rate: Option<u32>) -> anyhow::Result<Work> {
    let Some(hz) = rate else {
        return target.work(setting.plan.half);
    };
    let recorder = Recorder::start(&setting.binary, &setting.scratch, hz, &[target.pid()])?;
    let work = target.work(setting.plan.half)?;
    let account = recorder.finish()?;
    anyhow::ensure!(account.shown > 0, "the target was not sampled");
    Ok(work)
}
