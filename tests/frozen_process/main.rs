// SPDX-License-Identifier: MIT OR Apache-2.0

//! Walks frozen processes of every version, intact and damaged, in milliseconds and
//! without a live process. A stack must be what the interpreter itself reported, or not
//! be shown.

mod anatomy;
mod case;
mod hostile;
mod judge;
mod outcomes;
mod parts;
mod synthetic;
mod whole;
