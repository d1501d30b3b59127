// SPDX-License-Identifier: MIT OR Apache-2.0

//! An entry is forgotten as soon as it could be wrong.

use std::vec::Vec;

use super::*;
use crate::process::{CodeGeneration, LifePlace};
use crate::test_memory::{BASE, TestMemory, config};
use crate::window::Window;

/// The interpreter's address. Its count is [`COUNT`] bytes into it.
const INTERPRETER: u64 = BASE + 0x100;
const COUNT: u16 = 0x40;
/// The offset of its id.
const ID: u16 = 0x48;
/// The address of a count that all interpreters share.
const SHARED: u64 = BASE + 0x200;
const CODE: u64 = 0x7f12_3456_7890;

const CACHED: CachedCode = CachedCode {
    key: CodeKey(77),
    unit_count: 12,
    frame_size: 160,
};

struct Case {
    memory: TestMemory,
    config: ProcessConfig,
    state: Window,
    cache: std::boxed::Box<CodeCache>,
}

/// A case in which the interpreter has its own count.
fn case(counts_versions: u32) -> Case {
    let mut config = config();
    config.code_generation = CodeGeneration {
        address: 0,
        offset: u32::from(COUNT),
        counts_versions,
    };
    let mut memory = TestMemory::new(0x400);
    memory.set(BASE, config.layout.thread.interp, INTERPRETER);
    memory.set(INTERPRETER, COUNT, 1000);
    memory.set_bytes(SHARED, &500_u64.to_ne_bytes());
    let mut state = Window::zeroed();
    state
        .load(&memory, BASE, config.layout.thread.read_size)
        .expect("it is there");
    Case {
        memory,
        config,
        state,
        cache: std::boxed::Box::new(CodeCache::zeroed()),
    }
}

impl Case {
    fn begin(&mut self) {
        let interpreter = self.state.u64_at(self.config.layout.thread.interp);
        let mut window = Window::zeroed();
        let life = InterpreterLife::read(&self.memory, &self.config, interpreter, &mut window);
        self.cache
            .begin(&self.memory, &self.config, interpreter, life);
    }

    /// Begins a walk, remembers [`CODE`], and begins another after `change`. Returns what
    /// is known then.
    fn after(mut self, version: u32, change: impl FnOnce(&mut Self)) -> Option<CachedCode> {
        self.begin();
        self.cache.put(CODE, version, CACHED);
        change(&mut self);
        self.begin();
        self.cache.get(CODE)
    }
}

#[test]
fn it_remembers_while_the_count_stands_still() {
    for counts_versions in [0, 1] {
        assert_eq!(case(counts_versions).after(7, |_| {}), Some(CACHED));
        let moved =
            case(counts_versions).after(7, |case| case.memory.set(INTERPRETER, COUNT, 1001));
        assert_eq!(moved, None);
    }
}

#[test]
fn another_process_or_interpreter_has_other_code() {
    let other_process = case(0).after(7, |case| case.config.key.0 += 2);
    assert_eq!(other_process, None);
    let other_interpreter = case(0).after(7, |case| {
        let interp = case.config.layout.thread.interp;
        case.memory.set(BASE, interp, INTERPRETER + 8);
        case.memory.set(INTERPRETER + 8, COUNT, 1000);
        let size = case.config.layout.thread.read_size;
        case.state
            .load(&case.memory, BASE, size)
            .expect("it is there");
    });
    assert_eq!(other_interpreter, None);
}

/// A new interpreter lies where the old one was and has counted as far; its code has the
/// same addresses.
#[test]
fn a_new_interpreter_at_the_same_place_has_other_code() {
    for counts_versions in [0, 1] {
        let mut case = case(counts_versions);
        case.config.life = LifePlace {
            key_counts: 0,
            runtime_size: 8,
            interp_id: u32::from(ID),
        };
        case.memory.set(INTERPRETER, ID, 1);
        let renewed = case.after(7, |case| case.memory.set(INTERPRETER, ID, 2));
        assert_eq!(renewed, None);
    }
}

/// Addresses of code objects that share the pair of places of [`CODE`], in the process of
/// [`config`]. [`CODE`] is the first.
fn neighbours() -> impl Iterator<Item = u64> {
    let life = InterpreterLife(config().key.0);
    let codes = (0..).map(|step| CODE + 16 * step);
    codes.filter(move |code| pair_of(life, *code) == pair_of(life, CODE))
}

/// Forked siblings have the same functions at the same addresses.
#[test]
fn many_processes_keep_their_code_at_equal_addresses() {
    const PROCESSES: u64 = 20;
    const CODES: u64 = 100;
    let mut case = case(0);
    let keys: Vec<u64> = (0..PROCESSES)
        .map(|number| crate::hash::mix(5, number) | 1)
        .collect();
    let codes = || (0..CODES).map(|step| CODE + 208 * step);
    for round in 0..2 {
        let mut found = 0;
        for key in &keys {
            case.config.key.0 = *key;
            case.begin();
            for code in codes() {
                found += u64::from(case.cache.get(code).is_some());
                case.cache.put(code, 7, CACHED);
            }
        }
        match round {
            0 => assert_eq!(found, 0),
            _ => assert!(found > PROCESSES * CODES * 85 / 100, "{found}"),
        }
    }
}

fn numbered(unit_count: u32) -> CachedCode {
    CachedCode {
        unit_count,
        ..CACHED
    }
}

#[test]
fn two_code_objects_of_the_same_pair_are_both_remembered() {
    let mut case = case(0);
    case.begin();
    let codes: Vec<u64> = neighbours().take(3).collect();
    for (number, code) in (1..).zip(&codes) {
        assert_eq!(case.cache.get(*code), None);
        case.cache.put(*code, 7, numbered(number));
        case.cache.put(*code, 7, numbered(number));
    }
    let remembered = remembered(&case.cache, &codes);
    assert_eq!(remembered[2], Some(numbered(3)));
    assert_eq!(remembered.iter().flatten().count(), 2);
}

#[test]
fn what_is_out_of_date_makes_room_first() {
    let mut case = case(0);
    case.begin();
    let codes: Vec<u64> = neighbours().take(4).collect();
    case.cache.put(codes[0], 7, numbered(1));
    case.cache.put(codes[1], 7, numbered(2));
    case.memory.set(INTERPRETER, COUNT, 1001);
    case.begin();
    case.cache.put(codes[2], 7, numbered(3));
    case.cache.put(codes[3], 7, numbered(4));
    let expected = [None, None, Some(numbered(3)), Some(numbered(4))];
    assert_eq!(remembered(&case.cache, &codes), expected);
}

fn remembered(cache: &CodeCache, codes: &[u64]) -> Vec<Option<CachedCode>> {
    codes.iter().map(|code| cache.get(*code)).collect()
}

#[test]
fn a_count_that_numbers_do_not_come_from_is_not_believed() {
    for version in [0, 1000, 1001, u32::MAX] {
        assert_eq!(case(1).after(version, |_| {}), None, "{version}");
    }
    assert_eq!(case(1).after(999, |_| {}), Some(CACHED));
    // A count of freed objects says nothing about versions.
    assert_eq!(case(0).after(0, |_| {}), Some(CACHED));
}

#[test]
fn only_half_a_word_counts_versions() {
    let high_half = |case: &mut Case| case.memory.set(INTERPRETER, COUNT, 1000 | 1 << 32);
    assert_eq!(case(1).after(7, high_half), Some(CACHED));
    assert_eq!(case(0).after(7, high_half), None);
}

#[test]
fn without_a_count_nothing_is_remembered() {
    assert_eq!(
        case(0).after(7, |case| case.config.code_generation = CodeGeneration::NONE),
        None
    );
    // The count has overflowed, or has not begun.
    assert_eq!(
        case(1).after(7, |case| case.memory.set(INTERPRETER, COUNT, 1 << 32)),
        None
    );
    // The count cannot be read.
    assert_eq!(
        case(0).after(7, |case| case.config.code_generation.offset = 1 << 20),
        None
    );
    let mut never_begun = case(0);
    never_begun.cache.put(0, 7, CACHED);
    assert_eq!(never_begun.cache.get(0), None);
}

#[test]
fn without_a_count_only_keys_are_remembered() {
    let mut case = case(0);
    case.config.code_generation = CodeGeneration::NONE;
    case.begin();
    assert!(!case.cache.is_known(CODE, CACHED.key));
    case.cache.put(CODE, 0, CACHED);
    case.begin();
    assert!(case.cache.is_known(CODE, CACHED.key));
    assert!(!case.cache.is_known(CODE, CodeKey(79)));
    assert!(!case.cache.is_known(CODE + 16, CACHED.key));
    assert_eq!(case.cache.get(CODE), None);
}

#[test]
fn a_count_of_all_interpreters_comes_first() {
    let mut case = case(1);
    case.config.code_generation.address = SHARED;
    case.begin();
    case.cache.put(CODE, 499, CACHED);
    case.memory.set(INTERPRETER, COUNT, 1001);
    case.begin();
    assert_eq!(case.cache.get(CODE), Some(CACHED));
    case.cache.put(CODE + 64, 500, CACHED);
    assert_eq!(case.cache.get(CODE + 64), None);
}
