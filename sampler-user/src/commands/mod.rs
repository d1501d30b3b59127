// SPDX-License-Identifier: MIT OR Apache-2.0

//! The commands of the program: which one runs, and those that record nothing.

pub mod dispatch;
pub mod doctor;
pub mod dump;
pub mod host;
pub mod ps;
mod standard_output;
pub mod view;
