// SPDX-License-Identifier: MIT OR Apache-2.0

//! Unusual processes and builds, which must not cost a process its stacks, its names,
//! or the truth: many threads, many interpreters, two libraries of Python, code that
//! was moved, code of the JIT.

use std::process::Command;
use std::time::Duration;

use tests::interpreters::Interpreter;

use crate::support::dumped::{dump, run};
use crate::support::known_chain::check_known_chain;
use crate::support::machine::{Machine, machine};
use crate::support::marks::{Marks, names};
use crate::support::not_run::not_run;
use crate::support::programs::{Development, library, program};
use crate::support::recording::{Recording, record};
use crate::support::scratch::Scratch;
use crate::support::target::{Target, command, program_command, scripts};

const LENGTH: Duration = Duration::from_millis(700);
/// More threads than pyebpf searches for one that no slot leads to.
const THREADS: &str = "600";
/// The number of dumps of threads that compete for one GIL.
const DUMPS: usize = 4;
/// What is shown as the source of the innermost line in code of the JIT.
const NOT_STORED: &str = "<in code of the JIT, which does not store the line>";

/// The interpreter has a large key, whose slot is not inside `struct pthread`.
#[test]
#[ignore = "needs root and BPF"]
fn shows_the_oldest_of_many_threads_whatever_key_the_interpreter_has() {
    let machine = machine();
    let directory = Scratch::new();
    let keys = library(directory.path(), "many_keys.c");
    machine.with_each("many threads and keys", |interpreter| {
        let target = preloaded(
            &directory,
            interpreter,
            "many_sleepers.py",
            &[THREADS],
            &keys,
        );
        shows_both(machine, &target, "early")
    });
}

/// Includes builds that are linked statically, and builds with musl.
#[test]
#[ignore = "needs root and BPF"]
fn shows_the_oldest_of_many_threads_in_every_build() {
    let machine = machine();
    machine.with_each_build("many threads", |interpreter| {
        let target = Target::start(interpreter, "many_sleepers.py", &[THREADS]);
        shows_both(machine, &target, "early")
    });
}

/// The C library is part of the program, so nothing says which one it is.
#[test]
#[ignore = "needs root and BPF"]
fn shows_the_oldest_of_many_threads_of_a_static_program() {
    let machine = machine();
    machine.with_each("a static program", |interpreter| {
        // The libraries that Debian's build needs cannot be linked statically here.
        let is_debians = interpreter.path.starts_with("/usr");
        let development = Development::of(interpreter).filter(|_| !is_debians);
        let archive = development.as_ref().and_then(|it| it.archive(false));
        let (Some(development), Some(archive)) = (development, archive) else {
            return Ok("not run: it has no static library".to_owned());
        };
        let directory = Scratch::new();
        let program = directory.path().join("static");
        development.link_static(&archive, "embed.c", &program, &["-static"]);
        let mut command = program_command(&program);
        command
            .arg(scripts().join("many_sleepers.py"))
            .env("PYTHONHOME", &development.home);
        shows_both(machine, &Target::run(command), "early")
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn the_main_interpreter_is_not_lost_among_many() {
    let machine = machine();
    machine.with_each_build("many interpreters", |interpreter| {
        let target = Target::start(interpreter, "many_interpreters.py", &["70"]);
        if target.ready["available"] == false {
            return Ok("not run: this interpreter has no module for them".to_owned());
        }
        let said = shows_both(machine, &target, "named")?;
        let dump = dump(machine, target.pid())?;
        for thread in ["MainThread", "named"] {
            let thread = dump.thread(thread)?;
            if thread.ident.is_none() || !names(&thread.row).contains(&"top") {
                return Err(format!("in the dump: {thread:?}"));
            }
        }
        Ok(said)
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn no_dump_says_that_the_holder_of_the_gil_waits_for_it() {
    let machine = machine();
    machine.with_each("one GIL", |interpreter| {
        let target = Target::start::<&str>(interpreter, "one_gil.py", &[]);
        let mut told = 0;
        for _ in 0..DUMPS {
            let dump = dump(machine, target.pid())?;
            for thread in dump.threads.iter().filter(|it| it.holds_gil) {
                told += 1;
                if thread.state == "waiting for GIL" {
                    return Err(format!("it waits for what it holds: {thread:?}"));
                }
            }
        }
        match told * 2 > DUMPS {
            true => Ok(format!("{told} holders in {DUMPS} dumps")),
            false => Err(format!("{told} holders in {DUMPS} dumps")),
        }
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn a_second_interpreter_of_a_process_is_named() {
    let machine = machine();
    let built = machine
        .interpreters
        .iter()
        .rev()
        .filter_map(Development::of);
    let libraries: Vec<_> = built.filter_map(|it| it.shared()).take(2).collect();
    let [first, second] = libraries.as_slice() else {
        return not_run("", "there are no two interpreters with a shared library");
    };
    let directory = Scratch::new();
    let mut command = program_command(&program(&directory, "two_pythons.c"));
    command.arg(first).arg(second);
    let mut target = Target::run(command);
    target.next_line();
    let pid = target.pid().to_string();
    let said = "also runs CPython 3.";
    let mut recording = Recording::start(machine, &["--hz", "200", "--pid", &pid, "-d", "700ms"]);
    recording.be_patient();
    let finished = recording.finish();
    assert!(finished.errors.contains(said), "{}", finished.errors);
    let dump = dump(machine, target.pid()).expect("it can be looked into");
    let is_told = dump.problems.iter().any(|it| it.contains(said));
    assert!(is_told, "{:?}", dump.problems);
    let text = run(&machine.pyebpf, target.pid(), &[]).stdout;
    assert!(String::from_utf8_lossy(&text).contains(said));
    let listed = Command::new(&machine.pyebpf).arg("ps").output();
    let listed = listed.expect("pyebpf ran before").stdout;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let is_listed = listed.contains("also runs 3.");
    assert!(is_listed, "{listed}");
}

#[test]
#[ignore = "needs root and BPF"]
fn finds_python_whose_code_is_in_anonymous_memory() {
    let machine = machine();
    let directory = Scratch::new();
    let mover = library(directory.path(), "moved_code.c");
    let marks = Marks::of_copy("known_chain.py", &directory.path().join("known_chain.py"));
    machine.with_each("moved code", |interpreter| {
        let target = preloaded(&directory, interpreter, "known_chain.py", &[], &mover);
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", target.pid()));
        let maps = maps.map_err(|error| error.to_string())?;
        let is_python = |name: &str| name.starts_with("libpython") || name.starts_with("python3");
        let is_left = |line: &&str| {
            let name = line.rsplit('/').next().unwrap_or_default();
            line.contains(" r-xp ") && is_python(name)
        };
        if let Some(line) = maps.lines().find(is_left) {
            return Err(format!("its code was not moved: {line}"));
        }
        let timeline = record(machine, target.pid(), 500, LENGTH)?;
        check_known_chain(&timeline, target.pid(), &marks)
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn a_line_that_the_jit_does_not_store_is_not_shown() {
    let machine = machine();
    machine.with_each("JIT", |interpreter| {
        let arguments: [&str; 0] = [];
        let mut command = command(&scripts(), interpreter, "jit_lines.py", &arguments);
        let target = Target::spawn(command.env("PYTHON_JIT", "1"));
        let is_on = target.ready["jit"] == true && interpreter.minor >= 15;
        let timeline = record(machine, target.pid(), 500, LENGTH)?;
        let innermost = |row: &crate::support::timeline::Row| row.frames.last().cloned();
        let frames: Vec<_> = timeline.stacks().filter_map(innermost).collect();
        let unknown = frames.iter().filter(|it| it.source == NOT_STORED);
        let unknown = unknown.filter(|it| it.line == 0).count();
        let said = format!("{unknown} of {} innermost lines not stored", frames.len());
        let is_right = match is_on {
            true => unknown * 2 > frames.len() && !frames.is_empty(),
            false => unknown == 0 && frames.len() > 1,
        };
        if is_right { Ok(said) } else { Err(said) }
    });
}

/// Starts a script in an interpreter with a preloaded library.
fn preloaded(
    directory: &Scratch,
    interpreter: &Interpreter,
    script: &str,
    arguments: &[&str],
    library: &std::path::Path,
) -> Target {
    let from = scripts().join(script);
    std::fs::copy(from, directory.path().join(script)).expect("our directory");
    let mut command = command(directory.path(), interpreter, script, arguments);
    Target::spawn(command.env("LD_PRELOAD", library))
}

/// Checks that the main thread and another one are shown at what they do, and that no
/// thread counts as one without Python.
fn shows_both(machine: &Machine, target: &Target, other: &str) -> Result<String, String> {
    let timeline = record(machine, target.pid(), 500, LENGTH)?;
    for name in ["MainThread", other] {
        let of_name = timeline.threads.iter().filter(|it| it.name == name);
        let rows = of_name.flat_map(|it| it.stacks());
        if !rows.into_iter().any(|row| names(row).contains(&"top")) {
            let shown: Vec<_> = timeline.threads.iter().map(|it| &it.name).collect();
            return Err(format!(
                "{name} is not shown, but {shown:?}: {:?}",
                timeline.counts
            ));
        }
    }
    for reason in ["no_thread_state", "too_many_threads"] {
        if timeline.count_if_any(reason) > 0 {
            return Err(format!("{reason}: {:?}", timeline.counts));
        }
    }
    Ok(format!("{} samples", timeline.count("shown")))
}
