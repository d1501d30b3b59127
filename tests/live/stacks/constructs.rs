// SPDX-License-Identifier: MIT OR Apache-2.0

//! Generators, coroutines, callbacks from C, code from strings and so on: each
//! way of calling shows its own chain and no other.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;

use crate::support::machine::machine;
use crate::support::marks::Marks;
use crate::support::recording::record;
use crate::support::target::Target;
use crate::support::timeline::{Frame, Row};

#[test]
#[ignore = "needs root and BPF"]
fn shows_every_way_of_calling() {
    let machine = machine();
    let marks = Marks::read("constructs.py");
    machine.with_each_build("ways of calling", |interpreter| {
        if interpreter.musl {
            return Ok("not run: it was built without ctypes".to_owned());
        }
        let target = Target::start::<&str>(interpreter, "constructs.py", &[]);
        let timeline = record(machine, target.pid(), 997, Duration::from_millis(2000))?;
        let cases = target.ready.as_object().ok_or("no list of cases")?;
        let mut seen: HashMap<(String, String), u32> = HashMap::new();
        for (name, chains) in cases {
            for chain in chains.as_array().ok_or("no chains")? {
                seen.insert((name.clone(), chain.to_string()), 0);
            }
        }
        let mut rows = 0;
        for row in timeline.stacks() {
            rows += 1;
            marks.check(row, is_foreign)?;
            let Some((case, chain)) = case(row, &marks) else {
                continue;
            };
            let expected = &cases.get(case).ok_or_else(|| format!("no case {case}"))?;
            let chains = expected.as_array().ok_or("no chains")?;
            let names = Value::from(chain);
            if !chains.contains(&names) {
                return Err(format!("{case} shows {names}, not one of {expected}"));
            }
            if let Some(count) = seen.get_mut(&(case.to_owned(), names.to_string())) {
                *count += 1;
            }
        }
        if let Some((unseen, _)) = seen.iter().find(|(_, count)| **count == 0) {
            return Err(format!("{unseen:?} is never shown in {rows} rows"));
        }
        if interpreter.minor >= 11 {
            let name = "Widget.width";
            let mut frames = timeline.stacks().flat_map(|row| &row.frames);
            if !frames.any(|frame| frame.function == name) {
                return Err(format!("no function is called {name}"));
            }
        }
        if timeline.count("unknown_frames") > 0 {
            return Err(format!("what was counted: {:?}", timeline.counts));
        }
        let (shown, refused) = (timeline.count("shown"), timeline.count("refused"));
        Ok(format!(
            "{} ways in {shown} samples, {refused} refused",
            seen.len()
        ))
    });
}

/// Whether a way of calling may lead through a frame that is not of the script: one of
/// code from a string, or of the standard library.
fn is_foreign(frame: &Frame) -> bool {
    is_text(frame) || is_of_named_tuple(frame) || frame.is_library()
}

/// `namedtuple` makes its `__new__` out of a string (`Lib/collections/__init__.py`).
fn is_of_named_tuple(frame: &Frame) -> bool {
    frame.file == "<string>" && matches!(frame.function.as_str(), "<lambda>" | "__new__")
}

/// Whether the frame is of code from a string.
fn is_text(frame: &Frame) -> bool {
    frame.file == "<string>" && matches!(frame.function.as_str(), "<module>" | "from_text")
}

/// Returns the case that a row belongs to, and the chain between it and `spin`.
fn case<'a>(row: &'a Row, marks: &Marks) -> Option<(&'a str, Vec<&'a str>)> {
    let of_script = |frame: &&Frame| marks.owns(frame) || is_text(frame);
    let mut frames = row.frames.iter().filter(of_script).map(Frame::short_name);
    let case = frames.find(|name| name.starts_with("case_"))?;
    let mut chain: Vec<_> = frames.collect();
    (chain.pop()? == "spin").then_some((case, chain))
}
