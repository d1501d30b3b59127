// SPDX-License-Identifier: MIT OR Apache-2.0

//! Decodes the line tables of the whole standard library of every interpreter
//! found, and compares the line of every code unit with what that interpreter
//! itself reports. `PYEBPF_LINE_TABLES=full` compares every file; the default
//! is every eighth.

mod records;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use sampler_cpython::cpython::line_table::{BEFORE_FIRST, line_at};
use tests::interpreters::{Interpreter, interpreters};

use crate::records::{CodeLines, Records};

/// The number of interpreters that are compared at the same time.
const WORKERS: usize = 2;
/// The number of mismatches shown for each interpreter; all are counted.
const SHOWN: usize = 5;

#[derive(Default)]
struct Outcome {
    compared: u64,
    mismatches: Vec<String>,
}

#[test]
fn every_code_unit_of_the_standard_library_has_its_line() {
    let stride = match std::env::var("PYEBPF_LINE_TABLES").as_deref() {
        Ok("full") => 1,
        Ok("quick") | Err(_) => 8,
        Ok(other) => panic!("PYEBPF_LINE_TABLES is {other}, not full or quick"),
    };
    let waiting = Mutex::new(interpreters());
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().expect("no worker panicked").pop();
                    let Some(interpreter) = next else { return };
                    let wrong = compare(&interpreter, stride);
                    failed.lock().expect("no worker panicked").extend(wrong);
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no worker panicked");
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Compares the standard library of one interpreter; returns the first mismatches.
fn compare(interpreter: &Interpreter, stride: u32) -> Vec<String> {
    let started = Instant::now();
    let mut child = Command::new(&interpreter.path)
        // From standard input, since a private root does not contain the script.
        .args(["-", &stride.to_string()])
        .stdin(script())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it ran a moment ago");
    let mut records = Records::new(child.stdout.take().expect("it was asked for"));
    let mut outcome = Outcome::default();
    while let Some(code) = records.next_code() {
        compare_code(&code, &mut outcome);
    }
    assert!(child.wait().expect("it was started").success());
    let name = format!("3.{}.{}", interpreter.minor, interpreter.patch);
    println!(
        "{name}: {} files, {} code objects, {} code units, {} mismatches, {:.1} s",
        records.files,
        records.code_objects,
        outcome.compared,
        outcome.mismatches.len(),
        started.elapsed().as_secs_f64()
    );
    assert!(outcome.compared > 10_000, "{name} has a standard library");
    let wrong = outcome.mismatches.into_iter().take(SHOWN);
    wrong.map(|text| format!("{name}: {text}")).collect()
}

fn script() -> std::fs::File {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/line_tables.py");
    std::fs::File::open(path).expect("it is part of the repository")
}

fn compare_code(code: &CodeLines, outcome: &mut Outcome) {
    let line = |unit| line_at(code.kind, &code.table, code.first_line, unit);
    assert_eq!(line(BEFORE_FIRST), Some(code.first_line));
    for (unit, expected) in code.expected() {
        outcome.compared += 1;
        if line(unit) != expected {
            outcome.mismatches.push(format!(
                "unit {unit} is {:?}, not {expected:?}: {:?} from {} {:?}",
                line(unit),
                code.kind,
                code.first_line,
                code.table
            ));
        }
    }
}
