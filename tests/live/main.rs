//! Samples real processes, as a user would, with the program in `PYEBPF_BIN`,
//! and compares what it shows with what their scripts are known to do. Needs
//! root and BPF: without them the tests say so and pass, unless
//! `PYEBPF_REQUIRE_BPF` is 1.
//!
//! A test waits for a line that a script or the profiler prints. Scripts are in
//! `scripts`; they run in every interpreter found.

mod container;
mod dumped;
mod kernel_tables;
mod machine;
mod marks;
mod ordinary;
mod packages;
mod programs;
mod recording;
mod scratch;
mod short_scripts;
mod states;
mod target;
mod timeline;

mod account;
mod bad_input;
mod chain;
mod children;
mod choice;
mod constructs;
mod containers;
mod depth;
mod dump;
mod embedded;
mod fallback;
mod forged;
mod from_c;
mod hostile;
mod many_processes;
mod max_cpu;
mod oracle;
mod other_pythons;
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
mod stack_switching;
mod subinterpreter;
mod targets_gone;
mod threads;
mod verifier;
mod wall;
mod wall_targets;
mod work;
