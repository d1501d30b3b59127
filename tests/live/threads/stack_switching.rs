// SPDX-License-Identifier: MIT OR Apache-2.0

//! Stacks that are switched within one thread: greenlets and gevent's tasks. Each shows
//! its own frames and none of another's.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use tests::interpreters::Interpreter;

use crate::support::machine::machine;
use crate::support::marks::{Marks, names};
use crate::support::packages::{copy, packages};
use crate::support::recording::record;
use crate::support::scratch::Scratch;
use crate::support::target::{Target, command, scripts};
use crate::support::timeline::{Frame, Timeline};

#[test]
#[ignore = "needs root and BPF"]
fn shows_greenlets() {
    let whole = [
        &["left", "spin"][..],
        &["right", "deeper", "spin"],
        &["right", "deeper", "from_generator", "numbers", "spin"],
    ];
    check("greenlets", "greenlets.py", &["greenlet"], &whole, |_| {
        false
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn shows_tasks_of_gevent() {
    let whole = [&["produce", "spin"][..], &["consume", "handle", "spin"]];
    let packages = ["greenlet", "gevent", "zope"];
    check("gevent", "gevent_tasks.py", &packages, &whole, |frame| {
        frame.file.contains("/gevent/") || frame.is_library()
    });
}

/// Runs `script` in each interpreter. Every row must be right, and each chain in
/// `whole` must be among them.
fn check(
    title: &str,
    script: &str,
    needed: &[&str],
    whole: &[&[&str]],
    is_foreign: fn(&Frame) -> bool,
) {
    let machine = machine();
    machine.with_each(title, |interpreter| {
        let Some((directory, target)) = start(interpreter, script, needed) else {
            return Ok("not run: there are no packages for it".to_owned());
        };
        let timeline = record(machine, target.pid(), 997, Duration::from_millis(1000))?;
        let seen = chains(&timeline, &directory, script, is_foreign)?;
        for chain in whole {
            if !seen.contains_key(*chain) {
                return Err(format!("{chain:?} is never shown: {seen:?}"));
            }
        }
        let (shown, refused) = (timeline.count("shown"), timeline.count("refused"));
        // Between two greenlets the outermost frame lacks what marks it.
        let open = timeline.count_if_any("open_ended");
        if (refused + open) * 20 > shown || timeline.count("unknown_frames") > 0 {
            return Err(format!("what was counted: {:?}", timeline.counts));
        }
        Ok(format!("{shown} samples, {open} open, {refused} refused"))
    });
}

/// Starts the script in a directory of its own, which has the packages too.
fn start(interpreter: &Interpreter, script: &str, needed: &[&str]) -> Option<(Scratch, Target)> {
    let packages = packages(interpreter)?;
    let directory = Scratch::new();
    fs::copy(scripts().join(script), directory.path().join(script)).expect("our directory");
    let site = directory.path().join("packages");
    for entry in fs::read_dir(&packages).expect("it was found").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if needed.iter().any(|it| *it == name) {
            copy(&entry.path(), &site.join(&name));
        } else if name.ends_with(".pth") && needed.iter().any(|it| name.starts_with(it)) {
            fs::copy(entry.path(), site.join(&name)).expect("our directory");
        }
    }
    // The packages are linked with these, which private roots do not have.
    for library in ["libstdc++.so.6", "libgcc_s.so.1"] {
        let of_host = Path::new("/usr/lib/x86_64-linux-gnu").join(library);
        if of_host.exists() {
            fs::copy(of_host, site.join(library)).expect("our directory");
        }
    }
    let mut command = command(directory.path(), interpreter, script, &[&site]);
    command.env("LD_LIBRARY_PATH", &site);
    Some((directory, Target::run(command)))
}

/// Counts how often each chain of the script's own functions is shown.
fn chains<'a>(
    timeline: &'a Timeline,
    directory: &Scratch,
    script: &str,
    is_foreign: fn(&Frame) -> bool,
) -> Result<BTreeMap<Vec<&'a str>, u32>, String> {
    let marks = Marks::of_copy(script, &directory.path().join(script));
    let mut seen = BTreeMap::new();
    for row in timeline.stacks() {
        marks.check(row, |frame| frame.is_open_end() || is_foreign(frame))?;
        let all = names(row);
        let own = all.iter().zip(&row.frames);
        let own: Vec<_> = own
            .filter(|(_, frame)| marks.owns(frame))
            .map(|(name, _)| *name)
            .collect();
        if own.contains(&"<module>") && own.len() > 1 {
            return Err(format!("a stack of two: {own:?}"));
        }
        *seen.entry(own).or_default() += 1;
    }
    Ok(seen)
}
