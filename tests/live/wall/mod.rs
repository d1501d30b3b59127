// SPDX-License-Identifier: MIT OR Apache-2.0

//! Wall-clock mode: waiting threads as well as running ones.

mod fallback;
mod returns;
mod states;
mod targets;
