// SPDX-License-Identifier: MIT OR Apache-2.0

//! Python that is called from C: by a compiled extension module, and in threads
//! that Python did not create.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tests::interpreters::Interpreter;

use crate::support::machine::{machine, name, say, version};
use crate::support::marks::{Marks, names};
use crate::support::not_run::not_run;
use crate::support::packages::packages;
use crate::support::programs::{Development, NO_HEADERS, library};
use crate::support::recording::record;
use crate::support::scratch::Scratch;
use crate::support::target::{Target, program_command, scripts};
use crate::support::timeline::Frame;

#[test]
#[ignore = "needs root and BPF"]
fn shows_what_compiled_code_calls() {
    let machine = machine();
    let marks = Marks::read("compiled_callbacks.py");
    let directory = Scratch::new();
    let source = directory.path().join("callbacks.pyx");
    fs::copy(scripts().join("callbacks.pyx"), &source).expect("our directory");
    let mut ran = 0;
    for interpreter in &machine.interpreters {
        let Some(development) = Development::of(interpreter) else {
            not_run(&version(interpreter), NO_HEADERS);
            continue;
        };
        let Some(packages) = packages(interpreter) else {
            not_run(&version(interpreter), "there are no packages for it");
            continue;
        };
        ran += 1;
        // What Cython writes compiles with the headers of every version.
        if ran == 1 {
            translate(interpreter, &packages, &source);
        }
        let module = directory.path().join("callbacks.so");
        development.extension(&source.with_extension("c"), &module);
        let target = Target::start(interpreter, "compiled_callbacks.py", &[directory.path()]);
        let timeline = record(machine, target.pid(), 500, Duration::from_millis(700));
        let timeline = timeline.expect("a timeline");
        let mut whole = 0;
        for row in timeline.stacks() {
            marks.check(row, |_| false).expect("a stack that can be");
            whole += u32::from(names(row) == ["<module>", "drive", "called", "spin"]);
        }
        let (shown, refused) = (timeline.count("shown"), timeline.count("refused"));
        assert!(
            whole > 20 && refused * 20 <= shown && timeline.count("unknown_frames") == 0,
            "{}: {whole} whole chains, {:?}",
            name(interpreter),
            timeline.counts
        );
        say(format!(
            "  compiled code, {}: {shown} samples, {refused} refused",
            name(interpreter)
        ));
    }
    assert!(ran > 0, "no interpreter with headers and Cython");
}

/// Has Cython write C beside `source`.
fn translate(interpreter: &Interpreter, packages: &Path, source: &Path) {
    let mut cython = program_command(&interpreter.path);
    cython.args(["-m", "cython", "-3"]).arg(source);
    let output = cython.env("PYTHONPATH", packages).output();
    let output = output.expect("it ran before");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{cython:?}: {said}");
}

#[test]
#[ignore = "needs root and BPF"]
fn shows_threads_that_python_did_not_make() {
    let machine = machine();
    let directory = Scratch::new();
    let library = library(directory.path(), "foreign.c");
    machine.with_each("foreign threads", |interpreter| {
        let own = Scratch::new();
        // Private roots see only the directory of the script.
        for file in [&library, &scripts().join("foreign_threads.py")] {
            let name = file.file_name().expect("a file");
            fs::copy(file, own.path().join(name)).expect("our directory");
        }
        let arguments = [own.path().join("foreign.so")];
        let target = Target::start_in(own.path(), interpreter, "foreign_threads.py", &arguments);
        let timeline = record(machine, target.pid(), 500, Duration::from_millis(1000))?;
        let copy = Marks::of_copy("foreign_threads.py", &own.path().join("foreign_threads.py"));
        let mut whole = 0;
        let mut threads = 0;
        for thread in timeline.threads.iter().filter(|it| it.tid != it.pid) {
            threads += 1;
            for row in thread.stacks() {
                copy.check(row, Frame::is_library)?;
                if names(row).first() != Some(&"called") {
                    return Err(format!("a thread begins with {:?}", names(row)));
                }
                whole += u32::from(names(row) == ["called", "spin"]);
            }
        }
        if threads != 2 || whole < 20 || timeline.count("unknown_frames") > 0 {
            return Err(format!("{threads} threads, {whole}: {:?}", timeline.counts));
        }
        let (shown, refused) = (timeline.count("shown"), timeline.count("refused"));
        Ok(format!("{shown} samples, {refused} refused"))
    });
}
