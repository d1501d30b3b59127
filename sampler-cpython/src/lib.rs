// SPDX-License-Identifier: MIT OR Apache-2.0

//! CPython processes as seen from outside: which interpreter a process runs, where that
//! interpreter keeps its data, the names of its code objects, and the stacks of its
//! waiting threads.

pub mod cpython;
pub mod process;
pub mod remote;
