// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads any bytes as a line table of each kind, at any instruction: returns a line or
//! none, without taking long.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sampler_cpython::cpython::line_table::{LineTableKind, line_at};

fuzz_target!(|input: (i32, i32, &[u8])| {
    let (first_line, instruction, table) = input;
    for kind in [
        LineTableKind::Lnotab,
        LineTableKind::Linetable310,
        LineTableKind::Locations311,
    ] {
        let line = line_at(kind, table, first_line, instruction);
        if instruction < 0 {
            assert_eq!(line, Some(first_line));
        }
        // The line depends on nothing but the arguments.
        assert_eq!(line, line_at(kind, table, first_line, instruction));
    }
});
