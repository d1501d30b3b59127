// SPDX-License-Identifier: MIT OR Apache-2.0

//! Interpreters whose files are deleted or replaced while they run, as by an
//! upgrade of a package: they are recorded and dumped like any other.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tests::interpreters::Interpreter;

use crate::support::dumped::dump;
use crate::support::known_chain::check_known_chain;
use crate::support::machine::{Machine, machine, name, say, version};
use crate::support::marks::{Marks, names};
use crate::support::not_run::not_run;
use crate::support::programs::{Development, NO_HEADERS, copy_program};
use crate::support::recording::{Recording, record};
use crate::support::scratch::Scratch;
use crate::support::target::{Target, program_command, scripts};

/// What happens to the files while the process runs.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Deleted,
    /// Another file gets the name, as in an upgrade.
    Replaced,
}

#[test]
#[ignore = "needs root and BPF"]
fn shows_a_process_whose_files_are_gone() {
    let machine = machine();
    let mut ran = 0;
    for interpreter in &machine.interpreters {
        let Some(development) = Development::of(interpreter) else {
            not_run(&version(interpreter), NO_HEADERS);
            continue;
        };
        ran += 1;
        // The difference between the two does not depend on the version.
        let fates = match ran {
            1 => &[Fate::Deleted, Fate::Replaced][..],
            _ => &[Fate::Deleted],
        };
        for &fate in fates {
            let said = check(machine, interpreter, &development, fate)
                .unwrap_or_else(|error| panic!("{}, {fate:?}: {error}", name(interpreter)));
            say(format!("  {fate:?} files, {}: {said}", name(interpreter)));
        }
    }
    assert!(ran > 0, "no interpreter of this host to copy");
}

/// Runs a copy of the interpreter and of the library it needs, and deletes or
/// replaces both.
fn check(
    machine: &Machine,
    interpreter: &Interpreter,
    development: &Development,
    fate: Fate,
) -> Result<String, String> {
    let directory = Scratch::new();
    let marks = Marks::read("known_chain.py");
    let program = directory.path().join("python3");
    let real = fs::canonicalize(&interpreter.path).map_err(|error| error.to_string())?;
    copy_program(&real, &program);
    let mut files = vec![program.clone()];
    if let Some(library) = development.shared() {
        let copy = directory.path().join(library.file_name().expect("a file"));
        fs::copy(&library, &copy).expect("our directory");
        files.push(copy);
    }
    let mut command = program_command(&program);
    command
        .arg(scripts().join("known_chain.py"))
        .env("PYTHONHOME", &development.home)
        .env("LD_LIBRARY_PATH", directory.path())
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let target = Target::run(command);
    let mapped = fs::read_to_string(format!("/proc/{}/maps", target.pid())).expect("it runs");
    for file in &files {
        let path = file.to_str().expect("UTF-8");
        if !mapped.contains(path) && file == &program {
            return Err(format!("{path} is not what runs"));
        }
        lose(file, fate);
    }
    let pid = target.pid();
    let timeline = record(machine, pid, 500, Duration::from_millis(1500))?;
    let cpu = check_known_chain(&timeline, pid, &marks)?;
    let text = pid.to_string();
    let arguments = [
        "--mode", "wall", "--hz", "200", "-d", "1500ms", "--pid", &text,
    ];
    let timeline = Recording::start(machine, &arguments).finish().timeline()?;
    let wall = check_known_chain(&timeline, pid, &marks)?;
    let dump = dump(machine, pid)?;
    let row = &dump.thread("MainThread")?.row;
    marks.check(row, |_| false)?;
    if names(row) != ["<module>", "f", "g", "h"] {
        return Err(format!("dump shows {:?}", names(row)));
    }
    let listed = Command::new(&machine.pyebpf)
        .args(["ps", "--json"])
        .output();
    let listed = listed.expect("it ran before").stdout;
    let listed: serde_json::Value = serde_json::from_slice(&listed).expect("a document");
    let mut processes = listed["processes"].as_array().into_iter().flatten();
    let own = processes.find(|process| process["pid"] == pid);
    if own.is_none_or(|process| !process["problem"].is_null()) {
        return Err(format!("ps says {own:?}"));
    }
    Ok(format!("cpu {cpu}, wall {wall}, dump and ps"))
}

fn lose(file: &Path, fate: Fate) {
    match fate {
        Fate::Deleted => fs::remove_file(file).expect("our file"),
        Fate::Replaced => {
            let new = file.with_extension("new");
            fs::write(&new, "an upgrade\n").expect("our directory");
            fs::rename(&new, file).expect("our file");
        }
    }
}
