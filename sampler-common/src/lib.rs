//! What the kernel side and the user side share: the records on the wire, the
//! numbers that describe an interpreter, and the one walker over its frames.
//! It knows no aya, no /proc, no version of CPython, and allocates nothing.
//!
//! Every module here is compiled twice, for the host and for BPF. So there is
//! no slicing that could panic on a value that came from outside: the BPF
//! verifier refuses a program that can reach a panic.

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
pub mod fingerprint;
pub mod frame_window;
pub mod known;
pub mod layout;
pub mod lifecycle;
pub mod memory;
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
