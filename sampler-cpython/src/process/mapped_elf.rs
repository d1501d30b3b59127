// SPDX-License-Identifier: MIT OR Apache-2.0

//! Rebuilds an ELF file from the memory of a process that has it mapped, for a file that
//! may not be opened: a private FUSE mount, such as that of an AppImage, admits only its
//! user.
//!
//! Only what is loaded can be found: exported symbols, through what the dynamic linker
//! reads (`PT_DYNAMIC`). Sections and unexported symbols are not loaded.

use object::elf;
use sampler_common::memory::UserMemory;

use crate::process::elf::{Bytes, ElfError, ElfFile, Section, Segments};
use crate::process::maps::Mapping;

/// The largest file that is rebuilt, in bytes; an interpreter has some 30 MB.
const MAX_IMAGE: u64 = 256 << 20;
/// The largest symbol table, in bytes.
const MAX_SYMBOLS: u64 = 16 << 20;
/// Bytes per read; a part that cannot be read stays zero.
const CHUNK: u64 = 64 << 10;

/// Rebuilds the file that `mapping` maps; `maps` are all mappings of the process.
///
/// # Errors
/// [`ElfError`] when it is not an ELF file for this machine, or is too large.
pub fn rebuild(
    memory: &impl UserMemory,
    maps: &[Mapping],
    mapping: &Mapping,
) -> Result<ElfFile, ElfError> {
    let of_file = |map: &&Mapping| (map.device, map.inode) == (mapping.device, mapping.inode);
    let maps = || maps.iter().filter(of_file);
    let end = |map: &Mapping| map.offset.saturating_add(map.end.saturating_sub(map.start));
    let size = maps().map(end).max().unwrap_or(0);
    if size > MAX_IMAGE {
        return Err(ElfError::Malformed {
            what: "more of it is mapped than can be looked at",
        });
    }
    let mut image = vec![0; usize::try_from(size).unwrap_or(0)];
    // Code and constants last: where another segment shares one of their pages, only they
    // have the page as it is in the file.
    for map in maps()
        .filter(|map| map.writable)
        .chain(maps().filter(|map| !map.writable))
    {
        copy(memory, map, &mut image);
    }
    let mut file = ElfFile::of_image(image)?;
    let bias = file.segments().load_bias(mapping).unwrap_or(0);
    if let Some(sections) = sections(&file, bias) {
        file.set_sections(sections);
    }
    Ok(file)
}

fn copy(memory: &impl UserMemory, map: &Mapping, image: &mut [u8]) {
    let size = map.end.saturating_sub(map.start);
    let start = usize::try_from(map.offset).unwrap_or(usize::MAX);
    let Some(part) = image.get_mut(start..) else {
        return;
    };
    let part = part.chunks_mut(CHUNK as usize);
    for (chunk, at) in part.zip((0..size).step_by(CHUNK as usize)) {
        let wanted = usize::try_from(size - at)
            .unwrap_or(usize::MAX)
            .min(chunk.len());
        if let Some(wanted) = chunk.get_mut(..wanted)
            && memory
                .read_bytes(map.start.wrapping_add(at), wanted)
                .is_err()
        {
            wanted.fill(0);
        }
    }
}

/// Builds the sections in which symbols and the version are looked up, as far as the
/// dynamic linker's table tells where they are.
fn sections(file: &ElfFile, bias: u64) -> Option<Vec<Section>> {
    let segments = file.segments();
    let dynamic = segments.first(elf::PT_DYNAMIC)?;
    let table = file
        .read_bounded(dynamic.offset, dynamic.file_size, 1 << 16)
        .ok()?;
    let value = |tag: u32| {
        let mut entries = table.chunks_exact(16).map(Bytes);
        let entry = entries.find(|entry| entry.u64_at(0) == u64::from(tag))?;
        Some(entry.u64_at(8))
    };
    // glibc adds the bias to these addresses when it loads the file; musl does not.
    let offset = |tag| {
        let address = value(tag)?;
        let unbiased = address.checked_sub(bias).filter(|_| bias != 0);
        let offset = |address| segments.offset_of(address, 1);
        unbiased.and_then(offset).or_else(|| offset(address))
    };
    let (symbols, names) = (offset(elf::DT_SYMTAB)?, offset(elf::DT_STRTAB)?);
    // Nothing gives the number of symbols, but their names follow them.
    let size = names
        .checked_sub(symbols)
        .filter(|size| *size <= MAX_SYMBOLS);
    let section = |name: &[u8], kind, offset, size, link| Section {
        name: name.to_vec(),
        kind,
        address: 0,
        offset,
        size,
        link,
    };
    let names_size = value(elf::DT_STRSZ).unwrap_or(0);
    let mut sections = vec![
        section(b"", elf::SHT_NULL, 0, 0, 0),
        section(b".dynstr", elf::SHT_STRTAB, names, names_size, 0),
        section(b".dynsym", elf::SHT_DYNSYM, symbols, size.unwrap_or(0), 1),
        section(
            b".dynamic",
            elf::SHT_DYNAMIC,
            dynamic.offset,
            dynamic.file_size,
            1,
        ),
    ];
    if let Some(hash) = offset(elf::DT_GNU_HASH) {
        sections.push(section(b".gnu.hash", elf::SHT_GNU_HASH, hash, 0, 2));
    }
    if let Some((offset, size)) = constants(segments) {
        sections.push(section(b".rodata", elf::SHT_PROGBITS, offset, size, 0));
    }
    Some(sections)
}

/// Finds the constants: in the last read-only segment, or else in the one with the code.
fn constants(segments: &Segments) -> Option<(u64, u64)> {
    let of = |flags: u32| segments.last_loaded(flags);
    let part = of(elf::PF_R).or_else(|| of(elf::PF_R | elf::PF_X))?;
    Some((part.offset, part.file_size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::elf_fixture;
    use crate::process::mapped_file::MappedFile;
    use crate::process::maps::read_maps;
    use crate::process::memory::ProcessMemory;

    #[test]
    fn what_is_exported_is_found_as_in_the_file() {
        let pid = std::process::id();
        let maps = read_maps(pid).expect("we may look at ourselves");
        let library = maps
            .iter()
            .find(|map| map.executable && map.file_name().starts_with(b"libc.so"))
            .expect("tests are linked with the C library");
        let rebuilt = rebuild(&ProcessMemory::new(pid), &maps, library).expect("it is there");
        let file = MappedFile::locate(pid, library).expect("it is there");
        let file = ElfFile::parse(file.open().expect("readable")).expect("a good file");
        assert_eq!(rebuilt.segments(), file.segments());
        for name in ["qsort", "malloc", "environ", "no_such_function"] {
            let symbol = file.dynamic_symbol(name).expect("a good table");
            assert_eq!(
                rebuilt.dynamic_symbol(name).expect("a good table"),
                symbol,
                "{name}"
            );
        }
        let text = |file: &ElfFile| (file.soname().ok(), file.needed_libraries().ok());
        assert_eq!(text(&rebuilt), text(&file));
        let version = |file: &ElfFile| {
            let mut found = false;
            let constants = file.section(".rodata").expect("it has constants");
            file.visit_strings(constants, 64, |_, text| {
                found |= text.ends_with(b"Unknown error ");
                !found
            })
            .expect("it is whole");
            found
        };
        assert!(version(&rebuilt) && version(&file));
    }

    /// A file that is mapped as a whole at [`START`].
    struct Mapped(Vec<u8>);

    const START: u64 = 0x7f00_0000_0000;

    impl UserMemory for Mapped {
        fn read_bytes(
            &self,
            address: u64,
            destination: &mut [u8],
        ) -> Result<(), sampler_common::memory::MemoryFault> {
            let start = address.wrapping_sub(START) as usize;
            let end = start.saturating_add(destination.len());
            let fault = sampler_common::memory::MemoryFault { address };
            destination.copy_from_slice(self.0.get(start..end).ok_or(fault)?);
            Ok(())
        }
    }

    #[test]
    fn damaged_memory_never_panics() {
        let content = elf_fixture::elf(elf::SHT_DYNSYM, &[("here", 0x40_0000, 8)], b"text");
        let mapping = |size: usize, offset| Mapping {
            start: START,
            end: START + size as u64,
            offset,
            device: (8, 1),
            inode: 7,
            writable: false,
            executable: true,
            deleted: false,
            path: "/app".into(),
        };
        let mut rebuilt = 0;
        for content in elf_fixture::damaged(&content) {
            let map = mapping(content.len().max(1), 0);
            rebuilt +=
                u32::from(rebuild(&Mapped(content), std::slice::from_ref(&map), &map).is_ok());
        }
        assert!(rebuilt > 0);
        let huge = mapping(4096, u64::MAX - 4096);
        assert!(rebuild(&Mapped(Vec::new()), std::slice::from_ref(&huge), &huge).is_err());
    }
}
