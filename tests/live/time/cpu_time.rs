// SPDX-License-Identifier: MIT OR Apache-2.0

//! The kernel's CPU time next to that of the samples: for threads that go on, that end
//! and that are many, in user mode and in the kernel.

use std::process::Command;

use serde_json::Value;
use tests::interpreters::Interpreter;

use crate::support::machine::{Machine, machine, name};
use crate::support::recording::Recording;
use crate::support::target::Target;

/// Records a script while it works, up to its end. Returns what `pyebpf report` says of
/// it, as JSON and as text, and what the script itself has counted.
fn recorded(machine: &Machine, interpreter: &Interpreter, what: &str) -> (Value, String, Value) {
    let mut target = Target::start(interpreter, "cpu_time.py", &[what]);
    let pid = target.pid().to_string();
    let arguments = ["--hz", "250", "--pid", &pid, "-o", "trace.pyebpf"];
    let mut recording = Recording::start(machine, &arguments);
    recording.wait_until_it_samples();
    target.say("work");
    let said = target.next_line();
    let finished = recording.finish();
    let trace = finished.directory.path().join("trace.pyebpf");
    let report = |more: &[&str]| {
        let mut command = Command::new(&machine.pyebpf);
        let output = command.arg("report").arg(&trace).args(more).output();
        let output = output.expect("pyebpf ran before");
        assert!(output.status.success(), "{output:?}\n{}", finished.errors);
        String::from_utf8(output.stdout).expect("a report is text")
    };
    let document = serde_json::from_str(&report(&["--json"])).expect("a document");
    (document, report(&[]), said)
}

/// Returns a field of microseconds in seconds.
fn seconds(of: &Value, field: &str) -> f64 {
    of[field].as_f64().expect("a number of microseconds") / 1e6
}

/// Checks what was counted and what was seen of a process against what the script
/// reports for itself. The count includes the end of the interpreter.
fn agrees(document: &Value, text: &str, said: &Value) -> Result<String, String> {
    let process = &document["processes"][0];
    let used = said["cpu"].as_f64().expect("seconds");
    let counted = seconds(&process["kernel"], "cpu_us");
    let seen = seconds(&process["counts"], "seen_us");
    let ticked = seconds(&process["counts"], "ticked_us");
    let all =
        format!("used {used:.3} s, counted {counted:.3} s, ticks {ticked:.3} s, seen {seen:.3} s");
    // Both end within some milliseconds of what the script prints. Threads that are
    // exiting when the process ends are not in the kernel's sums yet, and on a busy
    // machine there are some.
    if !(0.8 * used - 0.02..used + 0.2).contains(&counted) {
        return Err(format!("{all}\n{text}"));
    }
    // Four standard deviations.
    let chance = 4.0 * (counted / 250.0).sqrt() + 0.05 * counted;
    if (ticked - counted).abs() > chance || seen > ticked || text.contains("more than chance") {
        return Err(format!("{all}\n{text}"));
    }
    if !text.contains(" s of CPU, ") {
        return Err(format!("the report does not say so: {text}"));
    }
    Ok(all)
}

#[test]
#[ignore = "needs root and BPF"]
fn what_the_kernel_counts_stands_beside_what_is_seen() {
    let machine = machine();
    machine.with_each_build("CPU time", |interpreter| {
        let (document, text, said) = recorded(machine, interpreter, "compute");
        let result = agrees(&document, &text, &said)?;
        let thread = &document["processes"][0]["threads"][0];
        let of_thread = seconds(&thread["kernel"], "cpu_us");
        // With the end of the interpreter, as above.
        let beyond = of_thread - said["thread"].as_f64().expect("seconds");
        if !(-0.1..0.2).contains(&beyond) {
            return Err(format!("{of_thread} s of the thread: {said}"));
        }
        Ok(result)
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn threads_that_end_count_until_their_end() {
    let machine = machine();
    machine.with_each("CPU time of short threads", |interpreter| {
        let (document, text, said) = recorded(machine, interpreter, "threads");
        agrees(&document, &text, &said)
    });
}

/// A server that restarts itself replaces its program: each has the time that it used.
#[test]
#[ignore = "needs root and BPF"]
fn a_program_that_is_replaced_keeps_its_time() {
    let machine = machine();
    machine.with_each("CPU time of programs that are replaced", |interpreter| {
        let (document, text, said) = recorded(machine, interpreter, "programs");
        let programs = document["processes"].as_array().ok_or("no processes")?;
        if programs.len() != 3 {
            return Err(format!("not three programs: {text}"));
        }
        let mut all = 0.0;
        for program in programs {
            let counted = seconds(&program["kernel"], "cpu_us");
            let of_thread = seconds(&program["threads"][0]["kernel"], "cpu_us");
            let ticked = seconds(&program["counts"], "ticked_us");
            // Four standard deviations.
            let chance = 4.0 * (counted / 250.0).sqrt() + 0.05 * counted;
            if (counted - ticked).abs() > chance || (counted - of_thread).abs() > 0.02 {
                return Err(format!(
                    "counted {counted}, of its thread {of_thread}, ticks {ticked}: {text}"
                ));
            }
            all += counted;
        }
        let used = said["cpu"].as_f64().ok_or("no seconds")?;
        if (0.8 * used - 0.02..used + 0.2).contains(&all) {
            Ok(format!("used {used:.3} s, counted {all:.3} s"))
        } else {
            Err(format!("used {used}, counted {all}: {text}"))
        }
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn time_in_the_kernel_is_told_from_that_in_user_mode() {
    let machine = machine();
    machine.with_each("user and system time", |interpreter| {
        let mut shares = Vec::new();
        for what in ["compute", "system"] {
            let (document, text, said) = recorded(machine, interpreter, what);
            agrees(&document, &text, &said)?;
            let process = &document["processes"][0];
            let share = |of: &Value| {
                seconds(of, "system_us") / (seconds(of, "system_us") + seconds(of, "user_us"))
            };
            shares.push([share(process), share(&process["kernel"])]);
            let own = document["functions"].as_array().into_iter().flatten();
            let in_kernel = own.map(|of| seconds(of, "system_us")).sum::<f64>();
            if (in_kernel - seconds(process, "system_us")).abs() > 0.01 {
                return Err(format!("functions: {in_kernel} s\n{document:#}"));
            }
        }
        let said = format!("{shares:.2?} in the kernel, by samples and by its own account");
        match shares[..] {
            [[a, b], [c, d]] if a < 0.3 && b < 0.3 && c > 0.6 && d > 0.6 => Ok(said),
            _ => Err(format!("{}: {said}", name(interpreter))),
        }
    });
}
