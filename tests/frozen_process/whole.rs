// SPDX-License-Identifier: MIT OR Apache-2.0

//! Undamaged processes: every way to find a thread, every name, every line.

use sampler_common::layout::ABSENT;
use sampler_common::stop::StopReason;
use sampler_cpython::cpython::code_object::read_code_object;
use tests::frozen::file;
use tests::frozen::memory::{Damage, FrozenMemory};
use tests::frozen::replay::replay;

use crate::case::Case;

/// The stack of the main thread in `scripts/frozen_chain.py`, innermost frame first.
const MAIN: &str = "wait_for_input < 𐌰𐌱 < кадр < größe < descend < descend < descend < generator \
    < Holder.__init__ < coroutine.<locals>.<lambda> < coroutine < outer < <module> < <module>";
/// The stack of its other thread.
const WORKER: &str = "worker < worker < worker < worker";

#[test]
fn every_minor_version_is_here_with_both_threads() {
    let versions: Vec<String> = file::all().iter().map(|it| it.minor_version()).collect();
    for minor in 6..=15 {
        assert!(versions.contains(&format!("3.{minor}")), "{versions:?}");
    }
    for case in Case::all() {
        let mut names: Vec<&str> = case.truth.iter().map(|frame| frame.0.as_str()).collect();
        if case.config.layout.code.qualname == ABSENT {
            let plain = |name: &str| {
                ["Holder.__init__", "coroutine.<locals>.<lambda>"]
                    .into_iter()
                    .find(|qualified| qualified.rsplit('.').next() == Some(name))
            };
            for name in &mut names {
                *name = plain(name).unwrap_or(name);
            }
        }
        let chain = names.join(" < ");
        assert!(
            [MAIN, WORKER].contains(&chain.as_str()),
            "{}: {chain}",
            case.name
        );
        let is_main = case.truth.len() > 4;
        assert_eq!(
            is_main,
            case.truth
                .iter()
                .any(|frame| frame.1 == "/srv/app/größe.py")
        );
    }
}

#[test]
fn every_route_shows_what_the_interpreter_said() {
    for case in Case::all() {
        let mut slot_only = case.config;
        slot_only.layout.runtime.tstate_current = ABSENT;
        let mut list_only = slot_only;
        list_only.tls_offset = 0;
        list_only.layout.runtime.tss_struct = ABSENT;
        for config in [case.config, slot_only, list_only] {
            let replay = case.replay_with(&config, Damage::None);
            assert_eq!(replay.stop, StopReason::Complete, "{}", case.name);
            assert_eq!(replay.shown.as_ref(), Ok(&case.truth), "{}", case.name);
            assert_eq!(
                replay.thread_state, case.anatomy.thread_state,
                "{}",
                case.name
            );
        }
    }
}

#[test]
fn a_thread_without_python_is_told() {
    for case in Case::all() {
        let memory = FrozenMemory::new(&case.recorded, Damage::None);
        let stop_of = |stranger| {
            let replay = replay(&memory, &case.config, case.line_tables, stranger);
            assert!(replay.frames.is_empty(), "{}: {stranger:#x}", case.name);
            replay.stop
        };
        assert_eq!(stop_of(0), StopReason::NoThreadState, "{}", case.name);
        for stranger in [8, case.thread_pointer + 8, u64::MAX] {
            // Its thread-local slot would lie outside the recorded memory. It
            // could hold a state, so a fault is right too.
            let stop = stop_of(stranger);
            let is_told = matches!(stop, StopReason::NoThreadState | StopReason::Fault);
            assert!(is_told, "{}: {stop:?}", case.name);
        }
    }
}

#[test]
fn reading_a_code_object_agrees_with_its_description() {
    for case in Case::all() {
        let memory = FrozenMemory::new(&case.recorded, Damage::None);
        let replay = case.replay(Damage::None);
        assert_eq!(replay.frames.len(), case.truth.len());
        let life = replay.life;
        for (frame, truth) in replay.frames.iter().zip(&case.truth) {
            let code =
                read_code_object(&memory, &case.config, life, frame.code).expect("it is whole");
            assert_eq!(
                (&code.name, &code.file_name),
                (&truth.0, &truth.1),
                "{}",
                case.name
            );
            assert_eq!(code.key, frame.key, "{}", case.name);
        }
    }
}
