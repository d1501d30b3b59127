// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the eBPF programs and user space share: the records on the wire, the numbers that
//! describe an interpreter, and the one walker of its frames. The crate knows neither aya
//! nor /proc nor any version of CPython, and allocates nothing.
//!
//! Every module is compiled twice, for the host and for BPF. Slicing must therefore not
//! panic on a value that came from outside: the BPF verifier rejects a program that can
//! reach a panic.
//!
//! Whoever walks a process implements [`memory::UserMemory`] for its memory: the eBPF
//! programs for the interrupted task, user space for another process, tests for a copy.
//!
//! ```
//! use sampler_common::memory::{MemoryFault, UserMemory};
//!
//! /// A copy of a process's memory from an address on.
//! struct Copied<'a>(u64, &'a [u8]);
//!
//! impl UserMemory for Copied<'_> {
//!     fn read_bytes(&self, address: u64, destination: &mut [u8]) -> Result<(), MemoryFault> {
//!         let Self(start, bytes) = *self;
//!         let read = || {
//!             let offset = usize::try_from(address.checked_sub(start)?).ok()?;
//!             bytes.get(offset..)?.get(..destination.len())
//!         };
//!         destination.copy_from_slice(read().ok_or(MemoryFault { address })?);
//!         Ok(())
//!     }
//! }
//!
//! let word = 0x7f00_0000_1000_u64.to_ne_bytes();
//! let memory = Copied(0x1000, &word);
//! assert_eq!(memory.read_u64(0x1000), Ok(0x7f00_0000_1000));
//! assert_eq!(memory.read_u64(0x1004), Err(MemoryFault { address: 0x1004 }));
//! ```

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod account;
pub mod code;
pub mod code_cache;
pub mod counter;
pub mod cpu_clocks;
pub mod data_stack;
pub mod describe;
pub mod edges;
pub mod fate;
pub mod fingerprint;
pub mod frame_object;
pub mod frame_window;
mod hash;
pub mod known_code;
pub mod layout;
pub mod life;
pub mod lifecycle;
pub mod memory;
pub mod off_cpu_time;
pub mod process;
pub mod sample;
pub mod scan_order;
pub mod signal;
pub mod stop;
#[cfg(test)]
mod test_memory;
pub mod text;
pub mod thread_state;
pub mod wait;
pub mod walk;
pub mod window;
