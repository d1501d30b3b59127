// SPDX-License-Identifier: MIT OR Apache-2.0

//! Every field that can tell two code objects apart changes the key.

use std::format;
use std::vec::Vec;

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
    key_of(&memory, LIFE, BASE, &mut window, layout).expect("it is there")
}

fn key_of(
    memory: &TestMemory,
    life: InterpreterLife,
    address: u64,
    window: &mut Window,
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
        key_of(memory, LIFE, BASE, &mut window, &older)
    };
    let without = older_key(&memory);
    assert!(without.is_ok());
    memory.set(BASE, version, 99);
    assert_eq!(older_key(&memory), without);
}

/// Without a `co_version`: in a code object that is made and thrown away in a loop, all
/// addresses are those of the last one, and only the name differs.
#[test]
fn without_a_number_the_name_tells_and_must_be_there() {
    let mut older = layout().code;
    older.version = ABSENT;
    older.qualname = ABSENT;
    let name = BASE + 128;
    let mut memory = TestMemory::new(256);
    memory.set(BASE, older.name, name);
    let key = |memory: &TestMemory| {
        let mut window = Window::zeroed();
        let loaded = window.load(memory, BASE, older.read_size);
        loaded.expect("it is there");
        key_of(memory, LIFE, BASE, &mut window, &older)
    };
    let first = key(&memory).expect("its name is there");
    memory.set(name, layout().object.str_length + 8, 0x1234_5678);
    assert_ne!(key(&memory), Ok(first));
    memory.set(BASE, older.name, 8);
    assert!(key(&memory).is_err());
}

const NAME: u64 = BASE + 128;
const QUALIFIED: u64 = BASE + 256;

/// Puts an ASCII text that has no hash yet at `address`.
fn set_text(memory: &mut TestMemory, address: u64, text: &[u8]) {
    let object = layout().object;
    memory.set(address, object.str_length, text.len() as u64);
    memory.set(address, object.str_length + 8, NOT_HASHED);
    // Of kind 1, compact and ASCII.
    let state = (1 | 1 << 3 | 1 << ASCII) << object.str_kind_shift;
    memory.set(address, object.str_length + 16, state);
    for (number, part) in (0..).zip(text.chunks(8)) {
        let mut word = [0; 8];
        word[..part.len()].copy_from_slice(part);
        let place = object.str_ascii_data + 8 * number;
        memory.set(address, place, u64::from_ne_bytes(word));
    }
}

/// Returns the key of code up to 3.11 with these names, at the same addresses each time.
fn key_with_names(name: &[u8], qualified: Option<&[u8]>) -> CodeKey {
    let mut older = layout().code;
    older.version = ABSENT;
    let mut memory = TestMemory::new(512);
    memory.set(BASE, older.name, NAME);
    memory.set(BASE, older.qualname, QUALIFIED);
    set_text(&mut memory, NAME, name);
    match qualified {
        Some(qualified) => set_text(&mut memory, QUALIFIED, qualified),
        None => older.qualname = ABSENT,
    }
    let mut window = Window::zeroed();
    let loaded = window.load(&memory, BASE, older.read_size);
    loaded.expect("it is there");
    key_of(&memory, LIFE, BASE, &mut window, &older).expect("its names are there")
}

/// Up to 3.11, names that are not interned have no hash: those that `code.replace` was
/// given, and the qualified ones.
#[test]
fn names_without_a_hash_tell_by_their_text() {
    let mut keys = std::collections::BTreeSet::new();
    let mut count = 0;
    for number in 0..10 {
        let text = |before: &str, after: &str| format!("{before}{number}{after}").into_bytes();
        let names: [Vec<u8>; 2] = [text("f", ""), text("function_of_request_", "_and_its_end")];
        let qualified = [
            text("", ""),
            text("C_", ".f"),
            text("C_", ".<locals>.f"),
            text(
                "test_of_something_long.<locals>.Handler_",
                ".a_function_of_a_class",
            ),
        ];
        keys.extend(names.iter().map(|name| key_with_names(name, None)));
        keys.extend(
            qualified
                .iter()
                .map(|name| key_with_names(b"f", Some(name))),
        );
        count += names.len() + qualified.len();
    }
    assert_eq!(keys.len(), count);
    let again = || key_with_names(b"f", Some(b"C.f"));
    assert_eq!(again(), again());
}

#[test]
fn wide_characters_are_read_where_they_are() {
    let object = layout().object;
    let key = |last: u64| {
        let mut memory = TestMemory::new(256);
        set_text(&mut memory, BASE, b"");
        memory.set(BASE, object.str_length, 2);
        // Of kind 4 and compact.
        let state = (4 | 1 << 3) << object.str_kind_shift;
        memory.set(BASE, object.str_length + 16, state);
        memory.set(BASE, object.str_compact_data, last);
        text_key(&memory, BASE, &object, &mut Window::zeroed())
    };
    assert_ne!(key(1), key(2));
    assert_eq!(key(1), key(1));
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
    let mut window = Window::zeroed();
    let memory = TestMemory::new(8);
    let mut keys = std::collections::BTreeSet::new();
    for process in 0..64 {
        for address in 0..64 {
            let life = InterpreterLife(child_key(PROCESS, process, 0).0);
            let address = 0x7f00_0000_0000 + 16 * address;
            let key =
                key_of(&memory, life, address, &mut window, &layout).expect("nothing is read");
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
