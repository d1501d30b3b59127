// SPDX-License-Identifier: MIT OR Apache-2.0

//! The layouts of the interpreters that the tests run.

use sampler_common::layout::InterpreterLayout;
use sampler_cpython::cpython::layout_table::row;
use sampler_cpython::cpython::version::PythonVersion;
use tests::interpreters::Interpreter;

/// Returns where an interpreter has its fields, for programs that write them.
pub(crate) fn layout_of(interpreter: &Interpreter) -> InterpreterLayout {
    let version = PythonVersion {
        free_threaded: interpreter.free_threaded,
        ..PythonVersion::minor_only(3, interpreter.minor)
    };
    row(version).expect("it is supported").layout
}
