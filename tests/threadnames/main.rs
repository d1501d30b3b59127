// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads the names of threads from every interpreter found, and compares them
//! with what that interpreter itself reports.

mod victim;

use std::collections::{BTreeMap, BTreeSet};

use sampler_cpython::cpython::discovery::Discovery;
use sampler_cpython::cpython::instance::Instance;
use sampler_cpython::cpython::thread_names::{InternedNames, Wanted};
use sampler_cpython::process::memory::ProcessMemory;
use tests::interpreters::interpreters;

use crate::victim::Victim;

/// The maximum number of characters of a name that are read.
const MAX_NAME: usize = 256;
/// The number of times that a process is read whose threads come and go.
const READINGS: u32 = 300;

fn instance(victim: &Victim) -> Instance {
    let found = Discovery::new().inspect(victim.pid);
    found.unwrap_or_else(|error| panic!("{:?}: {error}", victim.interpreter))
}

/// Returns the names that must be read, truncated where the reader truncates them.
fn expected(victim: &Victim) -> BTreeMap<u64, String> {
    let names = victim.names.iter();
    names
        .map(|(&ident, name)| (ident, name.chars().take(MAX_NAME).collect()))
        .collect()
}

#[test]
fn every_thread_has_the_name_that_it_says() {
    for interpreter in interpreters() {
        let victim = Victim::start(&interpreter, "still");
        let (instance, memory) = (instance(&victim), ProcessMemory::new(victim.pid));
        let interned = InternedNames::default();
        let names = instance.thread_names(&memory, Wanted::All, &interned);
        assert_eq!(names, expected(&victim), "{interpreter:?}");
        let again = instance.thread_names(&memory, Wanted::All, &interned);
        assert_eq!(again, names, "{interpreter:?}");
        assert!(names.len() >= 17, "{interpreter:?}");
        println!(
            "3.{}.{}: {} names",
            interpreter.minor,
            interpreter.patch,
            names.len()
        );
    }
}

#[test]
fn of_many_threads_one_can_be_asked_for_alone() {
    for interpreter in interpreters() {
        let victim = Victim::start(&interpreter, "many");
        let (instance, memory) = (instance(&victim), ProcessMemory::new(victim.pid));
        let interned = InternedNames::default();
        for (ident, name) in expected(&victim) {
            let wanted = BTreeSet::from([ident]);
            let names = instance.thread_names(&memory, Wanted::Only(&wanted), &interned);
            assert_eq!(names.get(&ident), Some(&name), "{interpreter:?}");
            // The main thread is found separately, so its name may come with
            // the one wanted.
            assert!(names.len() <= 2, "{interpreter:?}: {names:?}");
        }
    }
}

#[test]
fn threads_that_come_and_go_give_no_wrong_name() {
    for interpreter in interpreters() {
        let victim = Victim::start(&interpreter, "churn");
        let expected = expected(&victim);
        let (instance, memory) = (instance(&victim), ProcessMemory::new(victim.pid));
        let interned = InternedNames::default();
        let (mut whole, mut short_lived) = (0, 0);
        for _ in 0..READINGS {
            let mut names = instance.thread_names(&memory, Wanted::All, &interned);
            if names.is_empty() {
                continue;
            }
            whole += 1;
            for (ident, name) in &expected {
                assert_eq!(names.remove(ident).as_ref(), Some(name), "{interpreter:?}");
            }
            short_lived += names.len();
            for name in names.values() {
                let number = name.strip_prefix("churn-").map(str::parse::<u64>);
                assert!(matches!(number, Some(Ok(_))), "{interpreter:?}: {name:?}");
            }
        }
        println!(
            "3.{}.{}: {whole} of {READINGS} readings, {short_lived} short-lived threads in them",
            interpreter.minor, interpreter.patch
        );
        assert!(whole > READINGS / 2, "{interpreter:?}: {whole} readings");
        assert!(short_lived > 0, "{interpreter:?} starts no threads");
    }
}
