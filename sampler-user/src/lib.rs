//! pyebpf samples every CPython process of a host from the kernel and writes
//! what it saw as a timeline. `ARCHITECTURE.md` walks one sample from the
//! interrupt to the file, naming each module here.

pub mod account;
pub mod alarm;
pub mod analysis;
pub mod bpf;
pub mod cli;
pub mod config;
pub mod convert;
pub mod cpython;
pub mod delivery;
pub mod doctor;
pub mod dump;
pub mod escape;
pub mod launch;
pub mod left_behind;
pub mod outfile;
pub mod output;
pub mod patient;
pub mod privileges;
pub mod process;
pub mod progress;
pub mod ps;
pub mod recorder;
pub mod remote;
pub mod report;
pub mod sandbox;
pub mod scout;
pub mod symbolize;
pub mod targets;
pub mod timeline;
pub mod trace;
pub mod verbs;
pub mod view;
pub mod waiting;
