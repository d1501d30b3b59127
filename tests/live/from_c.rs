//! Python that is called from C: by a compiled extension module, and in threads
//! that Python did not make.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::machine::{machine, name, say};
use crate::marks::{Marks, names};
use crate::packages::packages;
use crate::programs::{Development, library};
use crate::recording::record;
use crate::scratch::Scratch;
use crate::target::{Target, scripts};
use crate::timeline::Frame;

#[test]
fn shows_what_compiled_code_calls() {
    let Some(machine) = machine() else { return };
    let marks = Marks::of("compiled_callbacks.py");
    let mut ran = 0;
    for interpreter in &machine.interpreters {
        let Some(development) = Development::of(interpreter) else {
            continue;
        };
        let Some(packages) = packages(interpreter) else {
            continue;
        };
        ran += 1;
        let directory = Scratch::new();
        let source = directory.path().join("callbacks.pyx");
        fs::copy(scripts().join("callbacks.pyx"), &source).expect("our directory");
        let mut cython = Command::new(&interpreter.path);
        cython.args(["-m", "cython", "-3"]).arg(&source);
        let output = cython.env("PYTHONPATH", packages).output();
        let output = output.expect("it ran before");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{cython:?}: {said}");
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

#[test]
fn shows_threads_that_python_did_not_make() {
    let Some(machine) = machine() else { return };
    let directory = Scratch::new();
    let library = library(directory.path(), "foreign.c");
    machine.with_each("foreign threads", |interpreter| {
        let own = Scratch::new();
        // Private roots see the directory of the script only.
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
