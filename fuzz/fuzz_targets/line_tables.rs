//! Any bytes as a line table, of each kind and at any instruction: an answer
//! or none, and soon.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sampler_user::cpython::line_table::{LineTableKind, line_at};

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
        // The answer depends on nothing but the arguments.
        assert_eq!(line, line_at(kind, table, first_line, instruction));
    }
});
