// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the commands accept, choose and say.

mod bad_input;
mod choice;
mod dump;
mod log;
mod signals;
mod top;
