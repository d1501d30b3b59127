// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads one ELF file: its segments, sections and bytes.
//!
//! Only the header tables are read up front; everything else is read on demand. No size
//! that the file claims is trusted without a limit. A damaged file gives an [`ElfError`],
//! never a panic.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use object::elf;

use crate::process::maps::Mapping;

/// The most headers of one kind that are accepted; a linked file has some 40.
const MAX_HEADERS: u16 = 8192;
/// The most bytes of section names that are accepted.
const MAX_SECTION_NAMES: u64 = 1 << 20;
/// The bits of an address inside a page: mappings start at page boundaries.
const PAGE_MASK: u64 = 0xfff;

/// The only machine whose interpreters this build can sample: its own.
#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = elf::EM_X86_64;
#[cfg(not(target_arch = "x86_64"))]
const MACHINE: u16 = elf::EM_AARCH64;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ElfError {
    /// It could not be read, or ends before what its headers promise.
    #[error("cannot read it: {source}")]
    Read {
        /// The error of the read.
        #[from]
        source: io::Error,
    },
    /// It is not an ELF file.
    #[error("not an ELF file")]
    NotElf,
    /// It is a 32-bit program.
    #[error("a 32-bit program")]
    ThirtyTwoBit,
    /// It is for another machine.
    #[error("made for another machine (ELF machine number {machine})")]
    Machine {
        /// `e_machine`.
        machine: u16,
    },
    /// Its headers contradict each other.
    #[error("damaged: {what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
}

/// One segment: a part of the file that is loaded into memory, or describes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The type, such as `PT_LOAD` or `PT_TLS`.
    pub kind: u32,
    /// The permissions: `PF_R`, `PF_W`, `PF_X`.
    pub flags: u32,
    /// Offset in the file.
    pub offset: u64,
    /// The address that the file was linked for.
    pub address: u64,
    /// Size in the file, in bytes.
    pub file_size: u64,
    /// Size in memory, in bytes.
    pub memory_size: u64,
    /// Alignment in memory.
    pub alignment: u64,
}

/// One section: a named part of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The name, as bytes.
    pub name: Vec<u8>,
    /// The type, such as `SHT_PROGBITS` or `SHT_DYNSYM`.
    pub kind: u32,
    /// The address that the file was linked for; 0 if the section is not in memory.
    pub address: u64,
    /// Offset in the file.
    pub offset: u64,
    /// Size in bytes.
    pub size: u64,
    /// Index of the section that it refers to.
    pub link: u32,
}

/// An ELF file for this machine.
#[derive(Debug)]
pub struct ElfFile {
    content: Content,
    segments: Segments,
    sections: Vec<Section>,
}

/// Where the bytes of the file are.
#[derive(Debug)]
enum Content {
    File(File),
    Image(Vec<u8>),
}

impl Content {
    fn read_exact_at(&self, destination: &mut [u8], offset: u64) -> io::Result<()> {
        let image = match self {
            // pread's offset is signed: a larger one fails, as it should.
            Self::File(file) => return file.read_exact_at(destination, offset),
            Self::Image(image) => image,
        };
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = image
            .get(start..)
            .and_then(|rest| rest.get(..destination.len()))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        destination.copy_from_slice(bytes);
        Ok(())
    }
}

impl ElfFile {
    /// Reads the headers of `file`.
    ///
    /// # Errors
    /// [`ElfError`] when it is not an ELF file, not for this machine, or damaged.
    pub fn parse(file: File) -> Result<Self, ElfError> {
        let mut parsed = Self::without_sections(Content::File(file))?;
        parsed.read_sections()?;
        Ok(parsed)
    }

    /// Reads the headers of a file of which only the segments are in memory. It has no
    /// sections yet.
    pub(crate) fn of_image(image: Vec<u8>) -> Result<Self, ElfError> {
        Self::without_sections(Content::Image(image))
    }

    /// Sets the sections of the file.
    pub(crate) fn set_sections(&mut self, sections: Vec<Section>) {
        self.sections = sections;
    }

    fn without_sections(content: Content) -> Result<Self, ElfError> {
        let mut header = [0; 64];
        content
            .read_exact_at(&mut header, 0)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => ElfError::NotElf,
                _ => error.into(),
            })?;
        if !header.starts_with(&elf::ELFMAG) {
            return Err(ElfError::NotElf);
        }
        if header[4] != elf::ELFCLASS64 {
            return Err(ElfError::ThirtyTwoBit);
        }
        let header = Bytes(&header);
        let machine = header.u16_at(18);
        if machine != MACHINE || header.u8_at(5) != elf::ELFDATA2LSB {
            return Err(ElfError::Machine { machine });
        }
        let mut parsed = Self {
            content,
            segments: Segments::default(),
            sections: Vec::new(),
        };
        parsed.read_segments(header)?;
        Ok(parsed)
    }

    fn read_segments(&mut self, header: Bytes<'_>) -> Result<(), ElfError> {
        let table = self.read_table(header.u64_at(32), header.u16_at(54), header.u16_at(56), 56)?;
        self.segments.0 = table
            .chunks_exact(56)
            .map(Bytes)
            .map(|entry| Segment {
                kind: entry.u32_at(0),
                flags: entry.u32_at(4),
                offset: entry.u64_at(8),
                address: entry.u64_at(16),
                file_size: entry.u64_at(32),
                memory_size: entry.u64_at(40),
                alignment: entry.u64_at(48),
            })
            .collect();
        Ok(())
    }

    /// Reads the section headers. A file with more sections than `e_shnum` can hold keeps
    /// their number elsewhere and 0 here: it is treated as one without sections.
    fn read_sections(&mut self) -> Result<(), ElfError> {
        let mut header = [0; 64];
        self.read_at_offset(0, &mut header)?;
        let header = Bytes(&header);
        let table = self.read_table(header.u64_at(40), header.u16_at(58), header.u16_at(60), 64)?;
        let entries: Vec<Bytes<'_>> = table.chunks_exact(64).map(Bytes).collect();
        let names = match entries.get(usize::from(header.u16_at(62))) {
            Some(entry) if entry.u32_at(4) == elf::SHT_STRTAB => {
                self.read_bounded(entry.u64_at(24), entry.u64_at(32), MAX_SECTION_NAMES)?
            }
            _ => Vec::new(),
        };
        self.sections = entries
            .iter()
            .map(|entry| Section {
                name: c_string(&names, entry.u32_at(0)).to_vec(),
                kind: entry.u32_at(4),
                address: entry.u64_at(16),
                offset: entry.u64_at(24),
                size: entry.u64_at(32),
                link: entry.u32_at(40),
            })
            .collect();
        Ok(())
    }

    fn read_table(
        &self,
        offset: u64,
        entry_size: u16,
        count: u16,
        expected: u16,
    ) -> Result<Vec<u8>, ElfError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        if entry_size != expected || count > MAX_HEADERS {
            return Err(ElfError::Malformed {
                what: "a table of headers has an impossible size",
            });
        }
        let size = u64::from(entry_size) * u64::from(count);
        self.read_bounded(offset, size, size)
    }

    /// Reads `size` bytes at a file offset.
    ///
    /// # Errors
    /// [`ElfError`] when that is more than `limit`, or reaches past the end of the file.
    pub(crate) fn read_bounded(
        &self,
        offset: u64,
        size: u64,
        limit: u64,
    ) -> Result<Vec<u8>, ElfError> {
        let size =
            usize::try_from(size)
                .ok()
                .filter(|_| size <= limit)
                .ok_or(ElfError::Malformed {
                    what: "a table is larger than any linker makes it",
                })?;
        let mut bytes = vec![0; size];
        self.read_at_offset(offset, &mut bytes)?;
        Ok(bytes)
    }

    /// Fills `destination` from a file offset.
    ///
    /// # Errors
    /// [`ElfError::Read`] when the file ends too early.
    pub(crate) fn read_at_offset(
        &self,
        offset: u64,
        destination: &mut [u8],
    ) -> Result<(), ElfError> {
        Ok(self.content.read_exact_at(destination, offset)?)
    }

    /// Fills `destination` with what the file loads at `address` (as linked).
    ///
    /// # Errors
    /// [`ElfError`] when the file has no bytes for the whole range: it is not loaded, or
    /// is memory that starts as zeros.
    pub fn read_at_address(&self, address: u64, destination: &mut [u8]) -> Result<(), ElfError> {
        let size = destination.len() as u64;
        let offset = self.segments.offset_of(address, size);
        let offset = offset.ok_or(ElfError::Malformed {
            what: "it has no bytes for an address it defines",
        })?;
        self.read_at_offset(offset, destination)
    }

    /// Returns the segments, which are enough to tell where the file was loaded.
    pub fn segments(&self) -> &Segments {
        &self.segments
    }

    /// Returns the section of that name.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections
            .iter()
            .find(|section| section.name == name.as_bytes())
    }

    /// Returns the first section of that type.
    pub(crate) fn section_of_kind(&self, kind: u32) -> Option<&Section> {
        self.sections.iter().find(|section| section.kind == kind)
    }

    /// Returns the section that `section` refers to, such as the names of a symbol table.
    pub(crate) fn linked(&self, section: &Section) -> Option<&Section> {
        self.sections.get(usize::try_from(section.link).ok()?)
    }

    /// Returns the distance from the thread pointer to this file's thread-local
    /// variables, if it is the program itself rather than a library: they end at the
    /// thread pointer (x86_64, variant II of the ELF TLS document).
    pub fn program_tls_offset(&self) -> Option<i64> {
        let segment = self
            .segments
            .0
            .iter()
            .find(|part| part.kind == elf::PT_TLS)?;
        let size = segment
            .memory_size
            .checked_next_multiple_of(segment.alignment.max(1))?;
        i64::try_from(size).ok()?.checked_neg()
    }
}

/// The segments of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segments(Vec<Segment>);

impl Segments {
    /// Returns the load bias: what was added to the file's addresses when `mapping`, a
    /// mapping of this file, was made. `None` if no segment can have become that mapping.
    pub fn load_bias(&self, mapping: &Mapping) -> Option<u64> {
        let holds = |segment: &&Segment| {
            let first = segment.offset & !PAGE_MASK;
            let end = segment.offset.saturating_add(segment.file_size);
            (first..end).contains(&mapping.offset)
        };
        let is_code = |segment: &&Segment| segment.flags & elf::PF_X != 0;
        let segment = self
            .loaded()
            .find(|segment| holds(segment) && is_code(segment) == mapping.executable)
            .or_else(|| self.loaded().find(holds))?;
        let linked = mapping
            .offset
            .wrapping_sub(segment.offset)
            .wrapping_add(segment.address);
        Some(mapping.start.wrapping_sub(linked))
    }

    /// Returns the addresses, as linked, from the first loaded byte to the last.
    pub fn span(&self) -> std::ops::Range<u64> {
        let start = self.loaded().map(|segment| segment.address).min();
        let end = self
            .loaded()
            .map(|segment| segment.address.saturating_add(segment.memory_size))
            .max();
        start.unwrap_or(0)..end.unwrap_or(0)
    }

    /// Returns where the file has the `size` bytes that it loads at `address` (as
    /// linked).
    pub(crate) fn offset_of(&self, address: u64, size: u64) -> Option<u64> {
        self.loaded().find_map(|segment| {
            let inside = address.checked_sub(segment.address)?;
            let end = inside.checked_add(size)?;
            (end <= segment.file_size).then(|| segment.offset.checked_add(inside))?
        })
    }

    /// Returns the first segment of that type.
    pub(crate) fn first(&self, kind: u32) -> Option<&Segment> {
        self.0.iter().find(|part| part.kind == kind)
    }

    /// Returns the last segment that is loaded with exactly these flags.
    pub(crate) fn last_loaded(&self, flags: u32) -> Option<&Segment> {
        let parts = self.loaded().filter(|part| part.flags == flags);
        parts.last()
    }

    fn loaded(&self) -> impl Iterator<Item = &Segment> {
        self.0.iter().filter(|part| part.kind == elf::PT_LOAD)
    }
}

/// Reads little-endian numbers from a header; 0 where it is too short.
#[derive(Clone, Copy)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl Bytes<'_> {
    fn array_at<const N: usize>(self, offset: usize) -> [u8; N] {
        offset
            .checked_add(N)
            .and_then(|end| self.0.get(offset..end)?.try_into().ok())
            .unwrap_or([0; N])
    }

    pub(crate) fn u8_at(self, offset: usize) -> u8 {
        u8::from_le_bytes(self.array_at(offset))
    }

    pub(crate) fn u16_at(self, offset: usize) -> u16 {
        u16::from_le_bytes(self.array_at(offset))
    }

    pub(crate) fn u32_at(self, offset: usize) -> u32 {
        u32::from_le_bytes(self.array_at(offset))
    }

    pub(crate) fn u64_at(self, offset: usize) -> u64 {
        u64::from_le_bytes(self.array_at(offset))
    }
}

/// Returns the text at `offset` up to its NUL; empty when `offset` is past the end.
fn c_string(bytes: &[u8], offset: u32) -> &[u8] {
    usize::try_from(offset)
        .ok()
        .and_then(|offset| bytes.get(offset..)?.split(|byte| *byte == 0).next())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::elf_fixture;
    use crate::process::elf_fixture::ADDRESS;
    use crate::process::maps::read_maps;

    fn parse(content: &[u8]) -> Result<ElfFile, ElfError> {
        ElfFile::parse(elf_fixture::open(content))
    }

    fn fixture() -> Vec<u8> {
        elf_fixture::elf(
            elf::SHT_SYMTAB,
            &[("here", ADDRESS + 4, 8)],
            b"0123456789abcdef",
        )
    }

    #[test]
    fn reads_what_is_at_an_address() {
        let file = parse(&fixture()).expect("a good file");
        let mut bytes = [0; 4];
        file.read_at_address(ADDRESS + 4, &mut bytes)
            .expect("it is loaded");
        assert_eq!(&bytes, b"4567");
        for outside in [ADDRESS - 1, ADDRESS + 13, u64::MAX, 0] {
            assert!(
                file.read_at_address(outside, &mut bytes).is_err(),
                "{outside:#x}"
            );
        }
        assert_eq!(
            file.section(".rodata").map(|section| section.size),
            Some(16)
        );
        assert_eq!(file.section(".data"), None);
    }

    #[test]
    fn names_what_it_cannot_use() {
        assert!(matches!(parse(b"#!/bin/sh\n"), Err(ElfError::NotElf)));
        assert!(matches!(parse(&[0; 64]), Err(ElfError::NotElf)));
        let mut other = fixture();
        other[18] = 0x28;
        assert!(matches!(
            parse(&other),
            Err(ElfError::Machine { machine: 0x28 })
        ));
        other[4] = elf::ELFCLASS32;
        assert!(matches!(parse(&other), Err(ElfError::ThirtyTwoBit)));
    }

    #[test]
    fn finds_where_it_was_loaded() {
        let file = parse(&fixture()).expect("a good file");
        let maps = read_maps(std::process::id()).expect("we may look at ourselves");
        let mut mapping = maps.into_iter().next().expect("we are mapped");
        mapping.start = 0x7f00_0000_0000;
        mapping.offset = 0;
        // The segment's first byte is at 0x100 of its page in the file.
        let bias = file.segments().load_bias(&mapping).expect("it fits");
        assert_eq!(bias, 0x7f00_0000_0100 - ADDRESS);
        mapping.offset = 0x1000;
        assert_eq!(file.segments().load_bias(&mapping), None);
    }

    #[test]
    fn a_damaged_file_never_panics() {
        let mut usable = 0;
        for content in elf_fixture::damaged(&fixture()) {
            let Ok(file) = parse(&content) else { continue };
            usable += 1;
            let mut bytes = [0; 8];
            let _ = file.read_at_address(ADDRESS, &mut bytes);
            let _ = file.static_symbols(["here", "there"]);
            let _ = file.dynamic_symbol("here");
            let _ = file.soname();
            let _ = file.program_tls_offset();
        }
        assert!(usable > 0);
    }
}
