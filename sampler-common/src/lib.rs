// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the eBPF programs and user space share: the records on the wire, the numbers that
//! describe an interpreter, and the one walker of its frames. The crate knows neither aya
//! nor /proc nor any version of CPython, and allocates nothing.
//!
//! Every module is compiled twice, for the host and for BPF. Slicing must therefore not
//! panic on a value that came from outside: the BPF verifier rejects a program that can
//! reach a panic.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod account;
pub mod code;
pub mod code_cache;
pub mod counter;
pub mod data_stack;
pub mod describe;
pub mod fate;
pub mod fingerprint;
pub mod frame_object;
pub mod frame_window;
mod hash;
pub mod known;
pub mod layout;
pub mod life;
pub mod lifecycle;
pub mod memory;
pub mod pass;
pub mod process;
pub mod sample;
pub mod stop;
#[cfg(test)]
mod test_memory;
pub mod text;
pub mod thread_state;
pub mod wait;
pub mod walk;
pub mod window;
