// SPDX-License-Identifier: MIT OR Apache-2.0

//! Scripts that run for 50 milliseconds of CPU time, each with functions of its own.

use std::fs;
use std::path::Path;

use crate::support::timeline::{Frame, Thread, Timeline};

/// The names of a script's functions, before its number.
const OUTER: &str = "outer_";
const INNER: &str = "only_in_";

/// Writes script `number` into `directory`; returns the name of its file.
pub(crate) fn write(directory: &Path, number: usize) -> String {
    let file = format!("script_{number}.py");
    fs::write(directory.join(&file), text(number)).expect("our directory");
    file
}

/// Returns the number of empty lines above the first function.
fn above(number: usize) -> u32 {
    number as u32 % 23
}

fn text(number: usize) -> String {
    let above = "\n".repeat(above(number) as usize);
    format!(
        "import time\n{above}\
         def {INNER}{number}(value):\n    \
             end = time.process_time() + 0.05\n    \
             while time.process_time() < end:\n        \
                 value = value ^ {number}\n    \
             return value\n\
         def {OUTER}{number}():\n    \
             return {INNER}{number}({number})\n\
         {OUTER}{number}()\n"
    )
}

/// Checks that every frame of script `number` in the process `pid` is one that it can
/// have. Returns the number of rows in its inner function.
pub(crate) fn check(timeline: &Timeline, pid: u32, number: usize) -> Result<usize, String> {
    let threads = timeline.of_process(pid);
    // Another script may have had the pid before, or after.
    let threads = threads.filter(|it| script_of(it).is_none_or(|it| it == number));
    let rows = threads.flat_map(|it| it.stacks());
    let mut seen = 0;
    // Of a process that is gone before its line table could be read, that is said.
    let lacks_lines = timeline.count_if_any("code_without_lines") > 0;
    for row in rows {
        let own: Vec<_> = row.frames.iter().filter(|it| is_of_script(it)).collect();
        for frame in &own {
            let is_possible = is_possible(frame, number) || lacks_lines && frame.line == 0;
            if number_of(frame) != Some(number) || !is_possible {
                return Err(format!("script {number} shows {frame:?}"));
            }
        }
        let names: Vec<_> = own.iter().map(|it| it.function.as_str()).collect();
        let (outer, inner) = (format!("{OUTER}{number}"), format!("{INNER}{number}"));
        let whole = ["<module>", &outer, &inner];
        if !whole.starts_with(&names) {
            return Err(format!("script {number} shows the chain {names:?}"));
        }
        seen += usize::from(names == whole);
    }
    Ok(seen)
}

/// Returns the script that a thread runs, by the first frame that tells.
pub(crate) fn script_of(thread: &Thread) -> Option<usize> {
    let mut frames = thread.stacks().flat_map(|row| &row.frames);
    frames.find_map(number_of)
}

/// Whether a frame is of any of these scripts.
pub(crate) fn is_of_script(frame: &Frame) -> bool {
    number_of(frame).is_some()
}

/// Returns the number of the script that a frame belongs to.
pub(crate) fn number_of(frame: &Frame) -> Option<usize> {
    let (_, name) = frame.file.rsplit_once("/script_")?;
    name.strip_suffix(".py")?.parse().ok()
}

fn is_possible(frame: &Frame, number: usize) -> bool {
    // The line of the inner function's definition.
    let first = 2 + above(number);
    let lines = match frame.function.as_str() {
        "<module>" => [1, first, first + 5, first + 7].contains(&frame.line),
        name if name == format!("{INNER}{number}") => (first..first + 5).contains(&frame.line),
        name if name == format!("{OUTER}{number}") => (first + 5..first + 7).contains(&frame.line),
        _ => false,
    };
    let text = text(number);
    let source = text.lines().nth(frame.line as usize - 1).map(str::trim);
    lines && source == Some(&frame.source)
}
