// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads code objects from every interpreter found, and compares them with what
//! that interpreter itself reports.

use sampler_common::life::InterpreterLife;
use sampler_common::process::{ProcessConfig, ProcessKey};
use sampler_common::sample::CodeKey;
use sampler_cpython::cpython::code_object::{CodeObjectError, RawCodeObject, read_code_object};
use sampler_cpython::cpython::discovery::Discovery;
use sampler_cpython::process::memory::ProcessMemory;
use tests::interpreters::{Interpreter, interpreters};
use tests::script::{Script, unhex, unhex_text};

/// Any life will do: the key is not compared.
const LIFE: InterpreterLife = InterpreterLife(1);
const SOURCE: &str = include_str!("../scripts/code_objects.py");
/// The maximum number of characters of a name that are read.
const MAX_NAME: usize = 4096;

#[test]
fn every_code_object_is_read_as_it_is_and_nothing_else() {
    for interpreter in interpreters() {
        let script = Script::start(&interpreter, SOURCE, "");
        let (memory, config) = process(&script, &interpreter);
        let mut compared = 0;
        for line in script.lines.iter().skip(1) {
            let (address, expected) = said(line);
            let found = read_code_object(&memory, &config, LIFE, address);
            let found = found.unwrap_or_else(|error| panic!("{interpreter:?}: {error}"));
            let expected = RawCodeObject {
                key: found.key,
                ..expected
            };
            assert_eq!(found, expected, "{interpreter:?}");
            compared += 1;
        }
        println!(
            "3.{}.{}: {compared} code objects",
            interpreter.minor, interpreter.patch
        );
        assert!(compared > 300, "{interpreter:?}: {compared}");
        // The type of code objects is an object too, but of another type.
        let refused = read_code_object(&memory, &config, LIFE, config.code_type);
        assert!(matches!(refused, Err(CodeObjectError::NotCode { .. })));
        let absent = read_code_object(&memory, &config, LIFE, 8);
        assert!(matches!(absent, Err(CodeObjectError::Unreadable { .. })));
    }
}

fn process(script: &Script, interpreter: &Interpreter) -> (ProcessMemory, ProcessConfig) {
    let pid = script
        .lines
        .first()
        .and_then(|line| line.strip_prefix("process "));
    let pid = pid.expect("its first line").parse().expect("a number");
    let instance = Discovery::new().inspect(pid);
    let instance = instance.unwrap_or_else(|error| panic!("{interpreter:?}: {error}"));
    (ProcessMemory::new(pid), instance.config(ProcessKey(7)))
}

/// Parses a line of the script: the address of a code object, and all of it but the key.
fn said(line: &str) -> (u64, RawCodeObject) {
    let words: Vec<&str> = line.split(' ').collect();
    let &["code", address, first_line, units, table, file_name, name] = words.as_slice() else {
        panic!("it printed {line:?}");
    };
    let hex = |text: &str| if text == "-" { "" } else { text }.to_owned();
    let text = |text: &str| unhex_text(&hex(text)).chars().take(MAX_NAME).collect();
    let code = RawCodeObject {
        key: CodeKey(0),
        file_name: text(file_name),
        name: text(name),
        first_line: first_line.parse().expect("a number"),
        line_table: Some(unhex(&hex(table))),
        unit_count: units.parse().expect("a number"),
    };
    (address.parse().expect("a number"), code)
}
