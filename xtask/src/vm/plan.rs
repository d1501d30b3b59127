// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which live tests run on a kernel in an emulated machine, and with which
//! interpreters.
//!
//! An emulated machine is many times slower than hardware, so only those tests run
//! whose outcome depends on the kernel: every eBPF program, every kind of record, every
//! way to a thread state, and both ways to sample waiting threads. Left out is:
//!
//! * what user space does alone once it has records, which is the same on every kernel:
//!   arguments and exit statuses (`commands::bad_input`), files and formats (`outputs`), signals
//!   to pyebpf (`commands::signals`);
//! * what takes an emulated machine an hour: two thousand threads;
//! * what is the same with another kind of child (`lifecycle::children`: one of four is kept);
//! * what compares counts with the speed of a real machine (`time::rate`);
//! * what needs more scans per second than an emulated machine makes (`wall::states`:
//!   the impossible stacks).

use std::path::Path;

use crate::interpreters::Interpreter;

/// A test, and the first kernel that it can run on.
struct Test {
    name: &'static str,
    since: (u32, u32),
}

/// The first kernel that pyebpf runs on.
const ANY: (u32, u32) = (5, 8);
/// The first kernel that makes threads in a process for its `io_uring`.
const KERNEL_THREADS: (u32, u32) = (5, 12);
/// The first kernel with the task iterator of wall-clock mode; before, scans are made
/// from user space.
const ITERATOR: (u32, u32) = (5, 18);

const fn on_any(name: &'static str) -> Test {
    Test { name, since: ANY }
}

const fn since(since: (u32, u32), name: &'static str) -> Test {
    Test { name, since }
}

/// Tests of CPU mode.
const CPU: [Test; 17] = [
    // Shallow and deep stacks, with both ways of walking from frame to frame.
    on_any("stacks::chain::shows_a_known_chain_with_exact_lines"),
    on_any("stacks::chain::shows_a_known_chain_without_bpf_loop"),
    on_any("stacks::depth::shows_a_recursion_of_1000_frames_whole"),
    on_any("stacks::depth::cuts_a_recursion_of_1500_frames_and_says_so"),
    on_any("stacks::depth::shows_and_cuts_recursions_without_bpf_loop"),
    on_any("stacks::constructs::shows_every_way_of_calling"),
    // Stacks that are sampled in the middle of a call.
    on_any("stacks::oracle::no_stack_is_impossible"),
    // Names that are read in the interrupt, and code objects that take the place of
    // others.
    on_any("code::replaced_code::no_name_is_that_of_code_that_was_there_before"),
    on_any("lifecycle::short_lived::names_scripts_of_fifty_milliseconds"),
    // The ways to a thread state.
    on_any("stacks::released::shows_the_stack_of_a_thread_that_hashes"),
    on_any("threads::names::shows_fifty_threads_by_name"),
    since(
        KERNEL_THREADS,
        "threads::names::shows_no_stack_of_a_thread_that_the_kernel_made",
    ),
    on_any("stacks::subinterpreter::shows_code_in_a_subinterpreter"),
    // The eBPF programs that follow processes as they fork, run new programs and end.
    on_any("lifecycle::children::follows_forked_workers"),
    on_any("lifecycle::targets_gone::a_target_may_become_another_python"),
    // Before 5.18 there is no iterator to load, and before 5.16 the kernel does not
    // give the count.
    since(ITERATOR, "kernel::verifier::the_verifier_has_little_to_do"),
    since(
        ITERATOR,
        "kernel::verifier::the_verifier_has_little_to_do_without_bpf_loop",
    ),
];

/// Tests of wall-clock mode. Before 5.18, all that run make their scans from user
/// space, since pyebpf has no other way there.
const WALL: [Test; 4] = [
    on_any("wall::fallback::shows_the_same_without_the_task_iterator"),
    on_any("wall::states::a_thread_that_waits_is_one_row_with_its_state_and_line"),
    on_any("wall::states::a_stopped_process_says_so_and_keeps_its_stacks"),
    since(
        ITERATOR,
        "wall::states::a_fight_for_the_gil_is_not_one_for_a_lock",
    ),
];

/// Returns the names of the tests for a kernel.
pub(super) fn tests(kernel: (u32, u32)) -> Vec<&'static str> {
    let runs = |test: &&Test| test.since <= kernel;
    CPU.iter()
        .chain(&WALL)
        .filter(runs)
        .map(|it| it.name)
        .collect()
}

/// The interpreter that tests use wherever it exists.
const SYSTEM: &str = "/usr/bin/python3";

/// Chooses the interpreters that differ most for the eBPF program: with frames as
/// objects (up to 3.10), frames on a stack (3.11, 3.12), and layouts that the
/// interpreter describes (from 3.13 on). Returns the newest of each kind, but the
/// system's own if it is of that kind, since the tests use it in any case.
pub(super) fn choose(found: &[Interpreter]) -> Vec<&Interpreter> {
    let kinds = [(0, 10), (11, 12), (13, u8::MAX)];
    let newest = kinds.map(|(from, to)| {
        let of_kind = |it: &&Interpreter| (from..=to).contains(&it.minor);
        let of_kind = || found.iter().filter(of_kind);
        let of_system = of_kind().find(|it| it.path == Path::new(SYSTEM));
        of_system.or_else(|| of_kind().max_by_key(|it| it.minor))
    });
    newest.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn one_interpreter_of_each_kind_is_chosen() {
        let found = [8, 9, 12, 11, 13, 15].map(|minor| Interpreter {
            minor,
            path: PathBuf::from(format!("/{minor}")),
        });
        let chosen: Vec<u8> = choose(&found).iter().map(|it| it.minor).collect();
        assert_eq!(chosen, [9, 12, 15]);
        assert!(choose(&[]).is_empty());
        let mut found = found;
        found[3].path = PathBuf::from(SYSTEM);
        let chosen: Vec<u8> = choose(&found).iter().map(|it| it.minor).collect();
        assert_eq!(chosen, [9, 11, 15]);
    }

    #[test]
    fn an_old_kernel_has_fewer_tests() {
        let (old, new) = (tests((5, 10)), tests((6, 1)));
        assert!(old.len() < new.len());
        assert!(old.iter().all(|name| new.contains(name)));
        assert!(old.iter().any(|name| name.starts_with("wall::fallback::")));
    }
}
