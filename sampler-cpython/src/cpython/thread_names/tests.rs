// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads names from a process made by hand: whole, damaged, and changing.

use super::*;
use crate::cpython::forged::ForgedMemory;

const START: u64 = 0x10_0000;
const SIZE: u64 = 0x1000;

// One type serves for all objects.
const TYPE: u64 = START;
const CLASS_KEYS: u64 = START + 0x400;
const MODULES: u64 = START + 0x480;
const MODULE: u64 = START + 0x500;
const MODULE_DICT: u64 = START + 0x540;
const ACTIVE: u64 = START + 0x5c0;
const IDENT: u64 = START + 0x640;
const THREAD: u64 = START + 0x6c0;
const OTHER_THREAD: u64 = START + 0x740;
const KEY_TEXTS: u64 = START + 0x800;
const WORKER: u64 = START + 0x900;
const OTHER: u64 = START + 0x940;
const INTERPRETER: u64 = START + 0xa00;

const OBJECT: ObjectLayout = ObjectLayout {
    ob_type: 8,
    str_length: 16,
    str_state: 32,
    str_ascii_data: 40,
    str_compact_data: 56,
    bytes_size: 16,
    bytes_data: 32,
    str_kind_shift: 2,
    reserved: 0,
};

/// Returns where a dict of [`process`] has the value of its one entry: the keys follow
/// the dict after 48 bytes, and the entry follows those after 40.
fn value_of(dict: u64) -> u64 {
    dict + 48 + 40 + 8
}

fn put(memory: &mut ForgedMemory, address: u64, words: &[u64]) {
    for (index, word) in (0..).zip(words) {
        memory.put(address + index * 8, &word.to_ne_bytes());
    }
}

/// Eight indices of a byte each, and one entry whose key is a text.
fn put_keys(memory: &mut ForgedMemory, address: u64, key: u64, value: u64) {
    let words = [1, 0x0001_0303, 4, 1, u64::MAX, key, value];
    put(memory, address, &words);
}

fn put_dict(memory: &mut ForgedMemory, address: u64, key: u64, value: u64) {
    put(memory, address, &[1, TYPE, 1, 0, address + 48, 0]);
    put_keys(memory, address + 48, key, value);
}

/// A text that is compact and ASCII.
fn put_text(memory: &mut ForgedMemory, address: u64, text: &str) {
    put(memory, address, &[1, TYPE, text.len() as u64, 0, 0x64]);
    memory.put(address + 40, text.as_bytes());
}

/// A process of CPython 3.13 with one thread, named "worker".
fn process() -> ForgedMemory {
    let mut forged = ForgedMemory::new(START, SIZE as usize);
    let memory = &mut forged;
    // On the heap, with managed dicts and inline values 16 bytes after the start.
    let flags = 1 << 31 | 1 << 29 | 1 << 28 | 1 << 24 | 1 << 9 | 1 << 4 | 1 << 2;
    put(memory, TYPE, &[1, TYPE, 0, 0, 16]);
    put(memory, TYPE + 168, &[flags]);
    put(memory, TYPE + 880, &[CLASS_KEYS]);
    put_keys(memory, CLASS_KEYS, KEY_TEXTS + 0x80, 0);
    put_dict(memory, MODULES, KEY_TEXTS, MODULE);
    put_dict(memory, MODULE_DICT, KEY_TEXTS + 0x40, ACTIVE);
    put_dict(memory, ACTIVE, IDENT, THREAD);
    put(memory, MODULE, &[1, TYPE, MODULE_DICT]);
    // Two digits.
    put(memory, IDENT, &[1, TYPE, 2 << 3, 5 << 32 | 7]);
    // Room for one value, in use, part of the instance, valid.
    put(memory, THREAD, &[1, TYPE, 0x0101_0101, WORKER]);
    put(memory, OTHER_THREAD, &[1, TYPE, 0x0101_0101, OTHER]);
    put_text(memory, KEY_TEXTS, "threading");
    put_text(memory, KEY_TEXTS + 0x40, "_active");
    put_text(memory, KEY_TEXTS + 0x80, "_name");
    put_text(memory, WORKER, "worker");
    put_text(memory, OTHER, "other");
    put(memory, INTERPRETER, &[MODULES]);
    forged
}

fn read(memory: &ForgedMemory, minor: u8) -> Result<BTreeMap<u64, String>, ThreadNamesError> {
    read_again(memory, minor, &InternedNames::default())
}

fn read_again(
    memory: &ForgedMemory,
    minor: u8,
    interned: &InternedNames,
) -> Result<BTreeMap<u64, String>, ThreadNamesError> {
    let names = ThreadNameReader {
        memory,
        object: &OBJECT,
        layout: row(minor).expect("it is known"),
        imports_modules: 0,
        interned,
    };
    names.read(INTERPRETER, Wanted::All)
}

fn row(minor: u8) -> Option<&'static AttributeLayout> {
    AttributeLayout::of_version(minor, false)
}

fn one_thread(name: &str) -> BTreeMap<u64, String> {
    BTreeMap::from([((5 << 30) + 7, name.to_owned())])
}

#[test]
fn a_name_is_found_again_when_it_is_elsewhere() {
    let mut memory = process();
    let interned = InternedNames::default();
    let read = |memory: &ForgedMemory| read_again(memory, 13, &interned);
    assert_eq!(read(&memory).expect("it can be read"), one_thread("worker"));
    // Another text is where "_active" was, which has moved.
    put_text(&mut memory, KEY_TEXTS + 0x40, "_ectiva");
    let moved = START + 0xa80;
    put_text(&mut memory, moved, "_active");
    put_dict(&mut memory, MODULE_DICT, moved, ACTIVE);
    assert_eq!(read(&memory).expect("it can be read"), one_thread("worker"));
}

#[test]
fn reads_what_is_there() {
    assert_eq!(read(&process(), 13), Ok(one_thread("worker")));
}

#[test]
fn of_many_only_those_that_are_wanted_can_be() {
    let idents = BTreeSet::from([0x7f00_1234_5000]);
    let entry = |hash| Entry {
        key: IDENT,
        value: THREAD,
        hash,
        slot: 0,
    };
    let wanted = Wanted::Only(&idents);
    assert!(wanted.can_be(&entry(Some(0x7f00_1234_5000))));
    assert!(!wanted.can_be(&entry(Some(0x7f00_1234_6000))));
    assert!(wanted.can_be(&entry(None)));
    assert!(Wanted::All.can_be(&entry(Some(0x7f00_1234_6000))));
}

#[test]
fn a_process_without_threading_has_no_names() {
    let mut memory = process();
    put_text(&mut memory, KEY_TEXTS, "threadinG");
    assert_eq!(read(&memory, 13), Ok(BTreeMap::new()));
}

#[test]
fn whenever_it_changes_a_name_is_right_or_missing() {
    let whole = process();
    assert!(read(&whole, 13).is_ok());
    let renamed = (THREAD + 24, OTHER);
    let replaced = (value_of(ACTIVE), OTHER_THREAD);
    for (address, value) in [renamed, replaced] {
        let mut outcomes = [0; 3];
        for reads in 0..whole.reads() {
            let mut memory = process();
            memory.put_after(reads, address, &u64::to_ne_bytes(value));
            match read(&memory, 13).expect("the way is whole") {
                names if names == one_thread("worker") => outcomes[0] += 1,
                names if names == one_thread("other") => outcomes[1] += 1,
                names if names.is_empty() => outcomes[2] += 1,
                names => panic!("{names:?} after {reads} reads"),
            }
        }
        assert!(outcomes.iter().all(|&count| count > 0), "{outcomes:?}");
    }
}

#[test]
fn damaged_memory_is_read_to_an_end_without_panic() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random >> 3
    };
    let (mut refused, mut read_on) = (0, 0);
    for _ in 0..20_000 {
        let mut memory = process();
        for _ in 0..=next() % 3 {
            let value = match next() % 4 {
                0 => next() << 3,
                1 => u64::MAX - next() % 64,
                2 => next() % 64,
                _ => START + next() % SIZE,
            };
            put(&mut memory, START + next() % (SIZE / 8) * 8, &[value]);
        }
        for minor in [10, 11, 12, 13, 15] {
            match read(&memory, minor) {
                Ok(_) => read_on += 1,
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > 10_000 && read_on > 10_000, "{refused} {read_on}");
}

#[test]
fn reading_stops_when_it_takes_too_much() {
    let memory = ForgedMemory::new(START, 1 << 20);
    let layout = row(13).expect("it is known");
    let objects = Objects::new(&memory, &OBJECT, layout);
    let mut room = vec![0; 1 << 20];
    let mut reads = 0;
    while objects.bytes(START, &mut room).is_ok() {
        reads += 1;
    }
    assert_eq!(reads, 63);
    assert_eq!(
        objects.bytes(START, &mut room),
        Err(ThreadNamesError::TooMuch)
    );
}

#[test]
fn versions_that_do_not_exist_have_no_row() {
    assert_eq!(AttributeLayout::of_version(12, true), None);
    assert_eq!(row(5), None);
    assert_eq!(row(16), None);
}
