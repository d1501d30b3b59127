// SPDX-License-Identifier: MIT OR Apache-2.0

//! Samples real processes as a user would, with the program in `PYEBPF_BIN`,
//! and compares what it shows with what their scripts are known to do. Needs
//! root and BPF: where there is neither, `cargo xtask test` leaves the tests
//! ignored. By hand, `--include-ignored` runs them.
//!
//! A test waits for a line that a script or the profiler prints. Scripts are in
//! `scripts`; they run in every interpreter found.

mod support;

mod account;
mod bad_input;
mod builds;
mod chain;
mod children;
mod choice;
mod constructs;
mod containers;
mod cpu_time;
mod depth;
mod dump;
mod embedded;
mod fallback;
mod field;
mod forged;
mod from_c;
mod hostile;
mod lives;
mod log;
mod many_processes;
mod max_cpu;
mod nothing_shown;
mod oracle;
mod other_pythons;
mod output_places;
mod outputs;
mod overload;
mod own_namespace;
mod rate;
mod released;
mod replaced_code;
mod replaced_files;
mod rights;
mod servers;
mod short_lived;
mod signals;
mod source_text;
mod stack_switching;
mod subinterpreter;
mod targets_gone;
mod threads;
mod verifier;
mod wall;
mod wall_targets;
