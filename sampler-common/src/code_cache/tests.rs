//! What is remembered is forgotten as soon as it could be wrong.

use std::vec::Vec;

use super::*;
use crate::process::CodeGeneration;
use crate::test_memory::{BASE, TestMemory, config};

/// Where the interpreter is, and its count in it.
const INTERPRETER: u64 = BASE + 0x100;
const COUNT: u16 = 0x40;
/// A count of all interpreters.
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

/// A walk's beginning, with the interpreter's own count.
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
        self.cache.begin(&self.memory, &self.config, &self.state);
    }

    /// Begins, remembers, begins again after `change`: what is known then?
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

/// Code objects of the same pair of places as [`CODE`], which is the first.
fn neighbours() -> impl Iterator<Item = u64> {
    let codes = (0..).map(|step| CODE + 16 * step);
    codes.filter(|code| pair_of(*code) == pair_of(CODE))
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
    // Freed objects say nothing of numbers.
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
    // It has overflowed, or not begun.
    assert_eq!(
        case(1).after(7, |case| case.memory.set(INTERPRETER, COUNT, 1 << 32)),
        None
    );
    // It cannot be read.
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
