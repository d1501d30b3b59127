// SPDX-License-Identifier: MIT OR Apache-2.0

//! The stacks that are shown: whole, exact, and never impossible.

mod chain;
mod constructs;
mod depth;
mod from_c;
mod oracle;
mod released;
mod subinterpreter;
