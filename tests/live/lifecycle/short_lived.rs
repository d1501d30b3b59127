// SPDX-License-Identifier: MIT OR Apache-2.0

//! Scripts that run for 50 milliseconds, one after the other, while the whole
//! host is recorded. The function of each has a name of its own.

use std::collections::HashMap;
use std::fs;
use std::process::Stdio;

use nix::sys::signal::Signal;

use crate::support::machine::{machine, name, say};
use crate::support::recording::Recording;
use crate::support::scratch::Scratch;
use crate::support::target::command;

/// The number of scripts that each interpreter runs.
const SCRIPTS: u32 = 10;

/// The name of a script's function, before its number.
const PREFIX: &str = "only_in_";

#[test]
#[ignore = "needs root and BPF"]
fn names_scripts_of_fifty_milliseconds() {
    let machine = machine();
    let scripts = Scratch::new();
    let mut recording = Recording::start(machine, &["--hz", "1000"]);
    recording.wait_until_it_samples();
    // By pid: the number of the script, and the index of the interpreter.
    let mut processes = HashMap::new();
    for (place, interpreter) in machine.interpreters.iter().enumerate() {
        for _ in 0..SCRIPTS {
            let number = processes.len();
            let file = format!("script_{number}.py");
            fs::write(scripts.path().join(&file), text(number)).expect("our directory");
            let mut child = command::<&str>(scripts.path(), interpreter, &file, &[])
                .stdin(Stdio::null())
                .spawn()
                .expect("it ran before");
            assert!(child.wait().expect("it is our child").success());
            processes.insert(child.id(), (number, place));
        }
    }
    recording.signal(Signal::SIGINT);
    let timeline = recording.finish().timeline().expect("a timeline");
    let mut seen = vec![0; machine.interpreters.len()];
    for (&pid, &(number, place)) in &processes {
        let own = format!("{PREFIX}{number}");
        let frames = || {
            timeline
                .of_process(pid)
                .flat_map(|it| &it.rows)
                .flat_map(|it| &it.frames)
        };
        for frame in frames().filter(|it| it.function.starts_with(PREFIX)) {
            let right_file = frame.file.ends_with(&format!("/script_{number}.py"));
            let right_line = (4..=7).contains(&frame.line);
            assert!(
                frame.function == own && right_file && right_line,
                "{number}: {frame:?}"
            );
        }
        seen[place] += u32::from(frames().any(|frame| frame.function == own));
    }
    for (interpreter, seen) in machine.interpreters.iter().zip(&seen) {
        say(format!(
            "  short scripts, {}: {seen} of {SCRIPTS} seen",
            name(interpreter)
        ));
    }
    let all: u32 = seen.iter().sum();
    assert!(
        all as usize * 10 >= processes.len() * 9,
        "{all} of {} seen",
        processes.len()
    );
}

fn text(number: usize) -> String {
    format!(
        "import time\n\n\n\
         def {PREFIX}{number}():\n    \
             end = time.process_time() + 0.05\n    \
             while time.process_time() < end:\n        \
                 pass\n\n\n\
         {PREFIX}{number}()\n"
    )
}
