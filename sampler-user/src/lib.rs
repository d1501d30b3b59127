// SPDX-License-Identifier: MIT OR Apache-2.0

//! Samples every CPython process of a host from the kernel, and writes a timeline of what
//! it saw. `ARCHITECTURE.md` follows one sample from the interrupt to the file, and names
//! each module on the way.

pub mod alarm;
pub mod bpf;
pub mod cli;
pub mod config;
pub mod delivery;
pub mod doctor;
pub mod dump;
pub mod launch;
pub mod left_behind;
pub mod outfile;
pub mod patient;
pub mod privileges;
pub mod progress;
pub mod ps;
pub mod recorder;
pub mod report;
pub mod sandbox;
pub mod scout;
pub mod symbolize;
pub mod targets;
pub mod verbs;
pub mod view;
pub mod waiting;
