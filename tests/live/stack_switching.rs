//! Stacks that change hands within one thread: greenlets and gevent's tasks. Each
//! shows its own frames and none of another's.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use tests::interpreters::Interpreter;

use crate::machine::machine;
use crate::marks::{Marks, names};
use crate::packages::{copy, packages};
use crate::recording::record;
use crate::scratch::Scratch;
use crate::target::{Target, command, scripts};
use crate::timeline::{Frame, Timeline};

#[test]
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
fn shows_tasks_of_gevent() {
    let whole = [&["produce", "spin"][..], &["consume", "handle", "spin"]];
    let packages = ["greenlet", "gevent", "zope"];
    check("gevent", "gevent_tasks.py", &packages, &whole, |frame| {
        frame.file.contains("/gevent/") || frame.is_library()
    });
}

/// Runs `script` in each interpreter. Every row must be right, and each of the
/// chains in `whole` be among them.
fn check(
    title: &str,
    script: &str,
    needed: &[&str],
    whole: &[&[&str]],
    is_foreign: fn(&Frame) -> bool,
) {
    let Some(machine) = machine() else { return };
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
        if refused * 20 > shown || timeline.count("unknown_frames") > 0 {
            return Err(format!("what was counted: {:?}", timeline.counts));
        }
        Ok(format!("{shown} samples, {refused} refused"))
    });
}

/// Starts it in a directory of its own, where the packages are, too.
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
    // Which the packages are built with; private roots have none.
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

/// How often each chain of the script's own functions is shown.
fn chains<'a>(
    timeline: &'a Timeline,
    directory: &Scratch,
    script: &str,
    is_foreign: fn(&Frame) -> bool,
) -> Result<BTreeMap<Vec<&'a str>, u32>, String> {
    let marks = Marks::of_copy(script, &directory.path().join(script));
    let mut seen = BTreeMap::new();
    for row in timeline.stacks() {
        marks.check(row, is_foreign)?;
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
