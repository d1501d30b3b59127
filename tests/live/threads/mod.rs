// SPDX-License-Identifier: MIT OR Apache-2.0

//! Threads: their names and identities, and stacks that switch within one.

mod names;
mod stack_switching;
