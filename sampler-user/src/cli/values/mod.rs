// SPDX-License-Identifier: MIT OR Apache-2.0

//! The values of options: what clap reads each of them with.

pub mod condition;
pub mod error;
pub mod limits;
pub mod numbers;
pub mod ranges;
pub mod stall;
pub mod text;
pub mod time;
