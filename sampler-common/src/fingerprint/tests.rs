//! Every field that can tell two code objects apart does.

use super::*;
use crate::test_memory::{BASE, TestMemory, layout};

const PROCESS: ProcessKey = ProcessKey(0x1234_5678_9abc_def1);

/// The key of a code object whose word at `offset` is `value`, all others being
/// their own offsets.
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
    code_key(PROCESS, BASE, &window, layout)
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
    older.version = ABSENT;
    assert_eq!(key_with(qualname, 99, &older), plain(&older));
    assert_eq!(key_with(version, 99, &older), plain(&older));
    assert_ne!(plain(&older), plain(&layout().code));
}

#[test]
fn two_fields_that_change_places_are_noticed() {
    let layout = layout().code;
    let mut exchanged = layout;
    exchanged.filename = layout.name;
    exchanged.name = layout.filename;
    assert_ne!(plain(&exchanged), plain(&layout));
}

/// In generated code a freed code object's successor at the same address has the
/// same first line, flags and argument count: only pointers differ.
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
    let mut keys = std::collections::BTreeSet::new();
    for process in 0..64 {
        for address in 0..64 {
            let process = child_key(PROCESS, process, 0);
            let key = code_key(process, 0x7f00_0000_0000 + 16 * address, &window, &layout);
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
