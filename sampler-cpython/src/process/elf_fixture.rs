// SPDX-License-Identifier: MIT OR Apache-2.0

//! A small hand-made ELF file for tests, with one segment and one symbol table, and ways
//! to damage it.

use std::fs::File;
use std::io::Write;

use nix::sys::memfd::{MFdFlags, memfd_create};
use object::elf;

/// The address that the content is linked at.
pub(crate) const ADDRESS: u64 = 0x40_0000;
/// Offset of the content in the file.
const CONTENT: usize = 0x100;

/// Builds a file whose table of kind `table` has `symbols` for addresses in `content`.
/// Without symbols, `content` is also the section `.PyRuntime`, as in a stripped
/// interpreter.
pub(crate) fn elf(table: u32, symbols: &[(&str, u64, u64)], content: &[u8]) -> Vec<u8> {
    let mut names = vec![0];
    let mut entries = vec![0; 24];
    for (name, address, size) in symbols {
        entries.extend((names.len() as u32).to_le_bytes());
        entries.extend([0x11, 0, 1, 0]);
        entries.extend(address.to_le_bytes());
        entries.extend(size.to_le_bytes());
        names.extend(name.as_bytes());
        names.push(0);
    }
    let section_names = b"\0.PyRuntime\0.rodata\0.symbols\0.names\0";
    let mut file = vec![0; CONTENT];
    let mut place = |bytes: &[u8]| {
        let at = file.len();
        file.extend(bytes);
        file.resize(file.len().next_multiple_of(8), 0);
        (at as u64, bytes.len() as u64)
    };
    let content = place(content);
    let entries = place(&entries);
    let names = place(&names);
    let section_names = place(section_names);
    let other = if symbols.is_empty() { 1 } else { 0 };
    let sections = [
        section(0, 0, 0, (0, 0), 0),
        section(12, elf::SHT_PROGBITS, ADDRESS, content, 0),
        section(20, table, 0, entries, 3),
        section(29, elf::SHT_STRTAB, 0, names, 0),
        section(0, elf::SHT_STRTAB, 0, section_names, 0),
        section(other, elf::SHT_PROGBITS, ADDRESS, content, 0),
    ]
    .concat();
    let (section_table, _) = place(&sections);
    let mut header = Vec::new();
    header.extend(elf::ELFMAG);
    header.extend([elf::ELFCLASS64, elf::ELFDATA2LSB, 1, 0]);
    header.resize(16, 0);
    header.extend(elf::ET_DYN.to_le_bytes());
    header.extend(elf::EM_X86_64.to_le_bytes());
    header.resize(32, 0);
    header.extend(64_u64.to_le_bytes());
    header.extend(section_table.to_le_bytes());
    header.extend([0; 6]);
    for number in [56_u16, 1, 64, 6, 4] {
        header.extend(number.to_le_bytes());
    }
    header.extend(elf::PT_LOAD.to_le_bytes());
    header.extend((elf::PF_R | elf::PF_X).to_le_bytes());
    for number in [content.0, ADDRESS, 0, content.1, content.1, 8] {
        header.extend(number.to_le_bytes());
    }
    file[..header.len()].copy_from_slice(&header);
    file
}

fn section(name: u32, kind: u32, address: u64, place: (u64, u64), link: u32) -> Vec<u8> {
    let mut entry = Vec::new();
    entry.extend(name.to_le_bytes());
    entry.extend(kind.to_le_bytes());
    for number in [0, address, place.0, place.1] {
        entry.extend(number.to_le_bytes());
    }
    entry.extend(link.to_le_bytes());
    entry.resize(64, 0);
    entry
}

/// Opens an unnamed file with this content.
pub(crate) fn open(content: &[u8]) -> File {
    let descriptor = memfd_create(c"fixture", MFdFlags::MFD_CLOEXEC).expect("memory is there");
    let mut file = File::from(descriptor);
    file.write_all(content).expect("memory is there");
    file
}

/// Returns copies of the file: cut at every eighth byte, and with each byte damaged in
/// turn.
pub(crate) fn damaged(whole: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let cut = (0..whole.len()).step_by(8).map(|end| whole[..end].to_vec());
    let flipped = (0..whole.len()).flat_map(|at| {
        [0x01, 0x80, 0xff].map(|bits| {
            let mut copy = whole.to_vec();
            copy[at] ^= bits;
            copy
        })
    });
    cut.chain(flipped)
}
