// SPDX-License-Identifier: MIT OR Apache-2.0

//! Situations in which users of sampling profilers lost samples, times or processes.

use sampler_common::layout::InterpreterLayout;
use sampler_cpython::cpython::layout_table::row;
use sampler_cpython::cpython::version::PythonVersion;
use tests::interpreters::Interpreter;

mod cpus;
mod early_forks;
mod ended_main_thread;
mod large_pools;
mod own_frames;
mod own_time;
pub(crate) mod paged_out;
mod private_mount;
mod rewritten_programs;
mod time;

/// Returns where an interpreter has its fields, for programs that write them.
fn layout_of(interpreter: &Interpreter) -> InterpreterLayout {
    let version = PythonVersion {
        free_threaded: interpreter.free_threaded,
        ..PythonVersion::minor_only(3, interpreter.minor)
    };
    row(version).expect("it is supported").layout
}
