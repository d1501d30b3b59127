// SPDX-License-Identifier: MIT OR Apache-2.0

//! Every field that can tell two code objects apart changes the key.

use super::*;
use crate::layout::CodeLayout;
use crate::test_memory::{BASE, TestMemory, layout};

const PROCESS: ProcessKey = ProcessKey(0x1234_5678_9abc_def1);
const LIFE: InterpreterLife = InterpreterLife(PROCESS.0);

/// Returns the key of a code object whose word at `offset` is `value`; every other word
/// is its own offset.
fn key_with(offset: u16, value: u64, layout: &CodeLayout) -> CodeKey {
    let mut memory = TestMemory::new(256);
    for place in (0..256_u16).step_by(8) {
        memory.set(BASE, place, u64::from(place));
    }
    memory.set(BASE, offset & !7, value);
    let mut window = Window::zeroed();
    window
        .load(&memory, BASE, layout.read_size)
        .expect("it is there");
    key_of(&memory, LIFE, BASE, &window, layout).expect("it is there")
}

fn key_of(
    memory: &TestMemory,
    life: InterpreterLife,
    address: u64,
    window: &Window,
    code: &CodeLayout,
) -> Result<CodeKey, MemoryFault> {
    let whole = InterpreterLayout {
        code: *code,
        ..layout()
    };
    code_key(memory, life, address, window, &whole)
}

fn plain(layout: &CodeLayout) -> CodeKey {
    key_with(0, 0, layout)
}

#[test]
fn every_field_changes_the_key() {
    let layout = layout().code;
    let pointers = [
        layout.filename,
        layout.name,
        layout.qualname,
        layout.linetable,
    ];
    for offset in pointers {
        for value in [0, 0x7f00_0000_1000, u64::MAX] {
            assert_ne!(key_with(offset, value, &layout), plain(&layout), "{offset}");
        }
    }
    let half_words = [layout.flags, layout.firstlineno, layout.version];
    for offset in half_words {
        let before = u64::from(offset & !7);
        let changed = before ^ (1 << (8 * (offset & 4)));
        assert_ne!(
            key_with(offset, changed, &layout),
            plain(&layout),
            "{offset}"
        );
    }
}

#[test]
fn what_is_no_part_of_it_does_not() {
    let layout = layout().code;
    assert_eq!(key_with(8, u64::MAX, &layout), plain(&layout));
    let unit_count = (1 << 32) | u64::from(layout.version);
    assert_eq!(
        key_with(layout.version, unit_count, &layout),
        plain(&layout)
    );
}

#[test]
fn fields_that_a_build_has_not_are_not_read() {
    let mut older = layout().code;
    let (qualname, version) = (older.qualname, older.version);
    older.qualname = ABSENT;
    assert_eq!(key_with(qualname, 99, &older), plain(&older));
    assert_ne!(plain(&older), plain(&layout().code));
    let mut memory = TestMemory::new(256);
    memory.set(BASE, older.name, BASE + 128);
    older.version = ABSENT;
    let older_key = |memory: &TestMemory| {
        let mut window = Window::zeroed();
        let loaded = window.load(memory, BASE, older.read_size);
        loaded.expect("it is there");
        key_of(memory, LIFE, BASE, &window, &older)
    };
    let without = older_key(&memory);
    memory.set(BASE, version, 99);
    assert_eq!(older_key(&memory), without);
}

/// Without a `co_version`: in a code object that is made and thrown away in a loop, all
/// addresses are those of the last one, and only the name differs.
#[test]
fn without_a_number_the_name_tells_and_must_be_there() {
    let mut older = layout().code;
    older.version = ABSENT;
    let name = BASE + 128;
    let mut memory = TestMemory::new(256);
    memory.set(BASE, older.name, name);
    let key = |memory: &TestMemory| {
        let mut window = Window::zeroed();
        let loaded = window.load(memory, BASE, older.read_size);
        loaded.expect("it is there");
        key_of(memory, LIFE, BASE, &window, &older)
    };
    let first = key(&memory).expect("its name is there");
    memory.set(name, layout().object.str_length + 8, 0x1234_5678);
    assert_ne!(key(&memory), Ok(first));
    memory.set(BASE, older.name, 8);
    assert!(key(&memory).is_err());
}

#[test]
fn two_fields_that_change_places_are_noticed() {
    let layout = layout().code;
    let mut exchanged = layout;
    exchanged.filename = layout.name;
    exchanged.name = layout.filename;
    assert_ne!(plain(&exchanged), plain(&layout));
}

/// In generated code, the code object that follows a freed one at the same address has
/// the same first line, flags and argument count: only pointers differ.
#[test]
fn a_reused_address_has_another_key_for_every_neighbouring_pointer() {
    let layout = layout().code;
    let mut keys = std::collections::BTreeSet::new();
    for number in 0..10_000 {
        let table = 0x7f00_0000_1000 + 16 * number;
        keys.insert(key_with(layout.linetable, table, &layout));
    }
    assert_eq!(keys.len(), 10_000);
}

#[test]
fn address_and_process_are_part_of_it_and_no_key_is_the_unread_one() {
    let layout = layout().code;
    let window = Window::zeroed();
    let memory = TestMemory::new(8);
    let mut keys = std::collections::BTreeSet::new();
    for process in 0..64 {
        for address in 0..64 {
            let life = InterpreterLife(child_key(PROCESS, process, 0).0);
            let address = 0x7f00_0000_0000 + 16 * address;
            let key = key_of(&memory, life, address, &window, &layout).expect("nothing is read");
            assert_ne!(key, CodeKey::UNREAD);
            keys.insert(key);
        }
    }
    assert_eq!(keys.len(), 64 * 64);
}

#[test]
fn children_have_keys_of_their_own() {
    let mut keys = std::collections::BTreeSet::from([PROCESS]);
    for child in 0..64 {
        for time in 0..64 {
            let key = child_key(PROCESS, child, time);
            assert_ne!(key, ProcessKey(0));
            keys.insert(key);
        }
    }
    assert_eq!(keys.len(), 64 * 64 + 1);
    assert_ne!(child_key(PROCESS, 1, 2), child_key(ProcessKey(1), 1, 2));
}
