// SPDX-License-Identifier: MIT OR Apache-2.0

//! A process whose memory is forged: circular pointers, missing pages, absurd lengths.
//! Nothing may hang, and no wrong name may be shown.

use std::time::Duration;

use tests::interpreters::Interpreter;

use crate::support::machine::{Machine, machine};
use crate::support::marks::names;
use crate::support::recording::Recording;
use crate::support::target::Target;
use crate::support::timeline::{Frame, Row};

/// What is shown for code without a name, and how a marker for missing outer frames
/// begins.
const UNKNOWN: &str = "<unknown code>";
const LEFT_OUT: &str = "<outer frames ";

#[test]
#[ignore = "needs root and BPF"]
fn forged_memory_is_refused_or_marked() {
    let machine = machine();
    let newest = machine.interpreters.last().map_or(0, |it| it.minor);
    machine.with_each("forged memory", |interpreter| {
        // One of each kind of frame: objects, structures, and those of the newest
        // version.
        if [10, 12, newest].contains(&interpreter.minor) {
            forge(machine, interpreter)
        } else {
            Ok("left out, its frames are as another's".to_owned())
        }
    });
}

fn forge(machine: &Machine, interpreter: &Interpreter) -> Result<String, String> {
    let mut target = Target::start::<&str>(interpreter, "forged.py", &[]);
    let ways = target.ready.as_array().cloned().unwrap_or_default();
    let control = record(machine, &target).timeline()?;
    let control = control.stacks().next().ok_or("no control")?;
    if !names(control).ends_with(&["outermost", "middle", "innermost"]) {
        return Err(format!(
            "before anything is forged it shows {:?}",
            names(control)
        ));
    }
    let (mut shown, mut refused) = (0, 0);
    for way in ways.iter().filter_map(|way| way.as_str()) {
        target.say(way);
        target.next_line();
        let finished = record(machine, &target);
        target.say("restore");
        match finished.status.code() {
            Some(0) => {
                let timeline = finished
                    .timeline()
                    .map_err(|error| format!("{way}: {error}"))?;
                for row in timeline.stacks() {
                    let allowed = match way {
                        "a chain without end" => Allowed::Repetition,
                        // A chain of frame objects has no mark at its end.
                        "previous is missing" if interpreter.minor < 11 => Allowed::ShortChain,
                        _ => Allowed::Nothing,
                    };
                    check(row, control, allowed).map_err(|error| format!("{way}: {error}"))?;
                }
                shown += 1;
            }
            Some(4) if finished.errors.contains("none can be shown:") => refused += 1,
            other => return Err(format!("{way}: exit status {other:?}: {}", finished.errors)),
        }
    }
    if shown + refused < 10 {
        return Err("there are few ways".to_owned());
    }
    Ok(format!(
        "{refused} ways refused, {shown} shown in part or unharmed"
    ))
}

fn record(machine: &Machine, target: &Target) -> crate::support::recording::Finished {
    let pid = target.pid().to_string();
    let duration = format!("{}ms", Duration::from_millis(120).as_millis());
    Recording::start(machine, &["--hz", "400", "--pid", &pid, "-d", &duration]).finish()
}

/// What a check cannot tell from a stack that may be shown.
#[derive(Clone, Copy, PartialEq)]
enum Allowed {
    Nothing,
    Repetition,
    ShortChain,
}

/// Checks a row: it may lack names and, with a mark, outer frames; all else must be true.
fn check(row: &Row, control: &Row, allowed: Allowed) -> Result<(), String> {
    let is_mark = |frame: &Frame| frame.function.starts_with(LEFT_OUT);
    let wrong = |what: &str| Err(format!("{what}: {:?}", names(row)));
    let marked = row.frames.first().is_some_and(is_mark);
    let frames = &row.frames[usize::from(marked)..];
    if allowed == Allowed::Repetition {
        let known = |frame: &Frame| control.frames.contains(frame);
        return if marked && frames.iter().all(known) {
            Ok(())
        } else {
            wrong("not cut, or not true")
        };
    }
    if frames.len() > control.frames.len() {
        return wrong("more frames than there are");
    }
    let may_lack = marked || allowed == Allowed::ShortChain;
    if !may_lack && frames.len() < control.frames.len() {
        return wrong("frames are missing without a mark");
    }
    for (frame, truth) in frames.iter().rev().zip(control.frames.iter().rev()) {
        // Without its table the line is unknown: it is 0, or the function's first.
        let line_is_true =
            frame.line == truth.line || frame.line == 0 || frame.source.starts_with("def ");
        let is_true = frame.function == truth.function && frame.file == truth.file && line_is_true;
        if !is_true && frame.function != UNKNOWN {
            return wrong(&format!("{frame:?} is not {truth:?}"));
        }
    }
    Ok(())
}
