// SPDX-License-Identifier: MIT OR Apache-2.0

//! Alternating chains, sampled fast: most samples fall near a call or a return, and
//! none may show a stack that cannot be. `PYEBPF_ORACLE_SAMPLES` sets the number of
//! samples of each interpreter (3000 by default), and `PYEBPF_ORACLE_HZ` the rate (1000
//! a second by default).

use std::time::Duration;

use crate::support::machine::machine;
use crate::support::marks::Marks;
use crate::support::recording::record;
use crate::support::target::Target;
use crate::support::timeline::{Frame, Row};

/// Returns the number in an environment variable, or `otherwise` without it.
fn chosen(variable: &str, otherwise: u32) -> u32 {
    let chosen = std::env::var(variable);
    chosen.map_or(otherwise, |it| it.parse().expect("a number"))
}

#[test]
#[ignore = "needs root and BPF"]
fn no_stack_is_impossible() {
    let machine = machine();
    let samples = chosen("PYEBPF_ORACLE_SAMPLES", 3000);
    let hz = chosen("PYEBPF_ORACLE_HZ", 1000);
    let marks = Marks::of("chains.py");
    machine.with_each_build("alternating chains", |interpreter| {
        let target = Target::start::<&str>(interpreter, "chains.py", &[]);
        let duration = Duration::from_secs(1) * samples / hz;
        let timeline = record(machine, target.pid(), hz, duration)?;
        let mut impossible = Vec::new();
        let mut rows = 0;
        for row in timeline.stacks() {
            rows += 1;
            impossible.extend(check(row, &marks).err());
        }
        let (shown, refused) = (timeline.count("shown"), timeline.count("refused"));
        let (lost, unknown) = (timeline.count("lost"), timeline.count("unknown_frames"));
        let result = format!(
            "{shown} samples, {rows} rows, {} impossible, {refused} refused, {lost} lost, {unknown} unknown frames",
            impossible.len()
        );
        // A machine that is busy with something else gives fewer. Another test checks
        // how many there are for the time that the process ran.
        let enough = (shown + refused + lost) * 10 >= u64::from(samples);
        if impossible.is_empty() && enough && refused * 20 < shown && unknown == 0 {
            Ok(result)
        } else {
            Err(format!("{result}: {:?}", impossible.iter().take(5).collect::<Vec<_>>()))
        }
    });
}

pub(crate) fn check(row: &Row, marks: &Marks) -> Result<(), String> {
    marks.check(row, |frame| made_number(frame).is_some())?;
    // Made code lies between `made` and the leaf, all of it or its beginning.
    let mut numbers = row.frames.iter().filter_map(made_number);
    if let Some(first) = numbers.next() {
        let all_the_same = numbers.all(|number| number == first);
        let called_by_made =
            row.frames
                .iter()
                .zip(row.frames.iter().skip(1))
                .all(|(caller, it)| {
                    made_number(it).is_none()
                        || caller.function == "made"
                        || made_number(caller).is_some()
                });
        if !all_the_same || !called_by_made {
            return Err(format!("made code out of place: {:?}", row.frames));
        }
    }
    Ok(())
}

/// Returns the number of a frame of made code, if its file, name and line agree on it.
fn made_number(frame: &Frame) -> Option<u32> {
    let number: u32 = frame
        .file
        .strip_prefix("<made ")?
        .strip_suffix('>')?
        .parse()
        .ok()?;
    let definition = number % 50 + 1;
    let fits = if frame.function == "<module>" {
        // Before its first instruction a module is at line 1, or 0 from 3.11.
        frame.line <= 1 || frame.line == definition
    } else {
        frame.function == format!("made_{number}")
            && (definition..=definition + 1).contains(&frame.line)
    };
    fits.then_some(number)
}
