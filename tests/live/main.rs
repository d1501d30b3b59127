//! Samples real processes, as a user would, with the program in `PYEBPF_BIN`,
//! and compares what it shows with what their scripts are known to do. Needs
//! root and BPF: without them the tests say so and pass, unless
//! `PYEBPF_REQUIRE_BPF` is 1.
//!
//! A test waits for a line that a script or the profiler prints. Scripts are in
//! `scripts`; they run in every interpreter found.

mod container;
mod dumped;
mod machine;
mod marks;
mod ordinary;
mod recording;
mod scratch;
mod states;
mod target;
mod timeline;

mod bad_input;
mod chain;
mod children;
mod choice;
mod constructs;
mod containers;
mod depth;
mod dump;
mod fallback;
mod forged;
mod hostile;
mod oracle;
mod outputs;
mod own_namespace;
mod rate;
mod released;
mod replaced_code;
mod rights;
mod short_lived;
mod signals;
mod subinterpreter;
mod targets_gone;
mod threads;
mod verifier;
mod wall;
mod wall_targets;
