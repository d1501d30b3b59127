// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds symbols of an ELF file by name without loading its tables: a large library has
//! hundreds of thousands of symbols.
//!
//! The dynamic table is searched through its GNU hash table, in a handful of short reads.
//! The static table has no index: its names are streamed once and, only if a wanted name
//! was seen, its symbols.

use memchr::memchr_iter;
use object::elf;

use crate::process::elf::{Bytes, ElfError, ElfFile, Section};

/// The most bytes of a symbol table and its names that are streamed. A larger table
/// counts as having no symbols.
const MAX_STREAMED: u64 = 256 << 20;
/// Bytes per read; a multiple of the size of a symbol.
const CHUNK: usize = SYMBOL_SIZE * 10_922;
/// `sizeof(Elf64_Sym)`.
const SYMBOL_SIZE: usize = 24;
/// The most symbols of one hash chain that are examined.
const MAX_CHAIN: u32 = 4096;
/// The most needed libraries of one file that are listed.
const MAX_NEEDED: usize = 256;
/// The most places that are remembered where a wanted name may start.
const MAX_PLACES: usize = 256;

/// A symbol that the file defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// The address as linked; for a thread-local symbol, the offset in its TLS block.
    pub address: u64,
    /// The size in bytes; 0 if not known.
    pub size: u64,
}

impl ElfFile {
    /// Finds the exported symbol `name`.
    ///
    /// # Errors
    /// [`ElfError`] when its tables are damaged.
    pub fn dynamic_symbol(&self, name: &str) -> Result<Option<Symbol>, ElfError> {
        let Some(symbols) = self.section_of_kind(elf::SHT_DYNSYM) else {
            return Ok(None);
        };
        match self.section_of_kind(elf::SHT_GNU_HASH) {
            Some(hash) => self.hashed_symbol(symbols, hash, name),
            None => Ok(self.streamed_symbols(symbols, [name])?[0]),
        }
    }

    /// Finds the symbols `names` in the static table, which `strip` removes.
    ///
    /// # Errors
    /// [`ElfError`] when its tables are damaged.
    pub fn static_symbols<const N: usize>(
        &self,
        names: [&str; N],
    ) -> Result<[Option<Symbol>; N], ElfError> {
        match self.section_of_kind(elf::SHT_SYMTAB) {
            Some(symbols) => self.streamed_symbols(symbols, names),
            None => Ok([None; N]),
        }
    }

    /// Returns the file's name as a library (`DT_SONAME`).
    ///
    /// # Errors
    /// [`ElfError`] when its tables are damaged.
    pub fn soname(&self) -> Result<Option<Vec<u8>>, ElfError> {
        Ok(self.dynamic_names(elf::DT_SONAME, 1)?.pop())
    }

    /// Returns the libraries that are loaded with the file (`DT_NEEDED`), as the file
    /// names them.
    ///
    /// # Errors
    /// [`ElfError`] when its tables are damaged.
    pub fn needed_libraries(&self) -> Result<Vec<Vec<u8>>, ElfError> {
        self.dynamic_names(elf::DT_NEEDED, MAX_NEEDED)
    }

    /// Returns the first `limit` names that `tag` entries of the dynamic section refer
    /// to.
    fn dynamic_names(&self, tag: u32, limit: usize) -> Result<Vec<Vec<u8>>, ElfError> {
        let Some(dynamic) = self.section_of_kind(elf::SHT_DYNAMIC) else {
            return Ok(Vec::new());
        };
        let Some(names) = self.linked(dynamic) else {
            return Ok(Vec::new());
        };
        let entries = self.read_bounded(dynamic.offset, dynamic.size, 1 << 16)?;
        let entries = entries.chunks_exact(16).map(Bytes);
        let wanted = entries.filter(|entry| entry.u64_at(0) == u64::from(tag));
        let mut found = Vec::new();
        for entry in wanted.take(limit) {
            let mut name = [0; 256];
            let at = entry.u64_at(8);
            let room = names.size.saturating_sub(at).min(name.len() as u64) as usize;
            let name = &mut name[..room];
            self.read_at_offset(names.offset.wrapping_add(at), name)?;
            found.extend(name.split(|byte| *byte == 0).next().map(<[u8]>::to_vec));
        }
        Ok(found)
    }

    /// Calls `visit` for every NUL of `section`, with the NUL's offset and up to `tail`
    /// bytes before it, until `visit` returns false.
    ///
    /// # Errors
    /// [`ElfError`] when the section is longer than the file.
    pub fn visit_strings(
        &self,
        section: &Section,
        tail: usize,
        mut visit: impl FnMut(u64, &[u8]) -> bool,
    ) -> Result<(), ElfError> {
        let mut buffer = vec![0; tail + CHUNK];
        let mut done = 0;
        // Offset in `buffer` of the bytes not yet searched; before it is the end of the
        // previous chunk.
        let mut kept = 0;
        while done < section.size {
            let size = (section.size - done).min(CHUNK as u64) as usize;
            let fresh = &mut buffer[kept..kept + size];
            self.read_at_offset(section.offset.wrapping_add(done), fresh)?;
            let end = kept + size;
            for position in memchr_iter(0, &buffer[kept..end]) {
                let at = kept + position;
                let text = &buffer[at.saturating_sub(tail)..at];
                if !visit(done + position as u64, text) {
                    return Ok(());
                }
            }
            let keep_from = end.saturating_sub(tail);
            buffer.copy_within(keep_from..end, 0);
            kept = end - keep_from;
            done += size as u64;
        }
        Ok(())
    }

    fn streamed_symbols<const N: usize>(
        &self,
        symbols: &Section,
        names: [&str; N],
    ) -> Result<[Option<Symbol>; N], ElfError> {
        let mut found = [None; N];
        let Some(texts) = self.linked(symbols) else {
            return Ok(found);
        };
        if texts.size.saturating_add(symbols.size) > MAX_STREAMED {
            return Ok(found);
        }
        // The last byte rules out most strings.
        let mut is_last = [false; 256];
        for byte in names.iter().filter_map(|name| name.as_bytes().last()) {
            is_last[usize::from(*byte)] = true;
        }
        let longest = names.iter().map(|name| name.len()).max().unwrap_or(0);
        // A linker may store a name as the end of a longer one.
        let mut places: Vec<(u64, usize)> = Vec::new();
        self.visit_strings(texts, longest, |end, text| {
            if !text.last().is_some_and(|byte| is_last[usize::from(*byte)]) {
                return true;
            }
            for (position, name) in names.iter().enumerate() {
                if text.ends_with(name.as_bytes()) {
                    places.push((end.saturating_sub(name.len() as u64), position));
                }
            }
            places.len() < MAX_PLACES
        })?;
        if places.is_empty() {
            return Ok(found);
        }
        let mut buffer = vec![0; CHUNK];
        let mut done = 0;
        while done < symbols.size {
            let size = (symbols.size - done).min(CHUNK as u64) as usize;
            let chunk = &mut buffer[..size];
            self.read_at_offset(symbols.offset.wrapping_add(done), chunk)?;
            for entry in chunk.chunks_exact(SYMBOL_SIZE).map(Bytes) {
                let name = u64::from(entry.u32_at(0));
                if let Some((_, position)) = places.iter().find(|(place, _)| *place == name)
                    && let Some(symbol) = defined(entry)
                {
                    found[*position].get_or_insert(symbol);
                }
            }
            done += size as u64;
        }
        Ok(found)
    }

    /// Looks `name` up as a dynamic linker does.
    fn hashed_symbol(
        &self,
        symbols: &Section,
        hash: &Section,
        name: &str,
    ) -> Result<Option<Symbol>, ElfError> {
        let mut header = [0; 16];
        self.read_at_offset(hash.offset, &mut header)?;
        let header = Bytes(&header);
        let (buckets, first) = (header.u32_at(0), header.u32_at(4));
        let (filter_words, shift) = (header.u32_at(8), header.u32_at(12));
        if buckets == 0 || filter_words == 0 {
            return Ok(None);
        }
        let wanted = elf::gnu_hash(name.as_bytes());
        let filters = hash.offset.wrapping_add(16);
        let filter_at = filters.wrapping_add(u64::from(wanted / 64 % filter_words) * 8);
        let mut filter = [0; 8];
        self.read_at_offset(filter_at, &mut filter)?;
        let bits = 1_u64 << (wanted % 64) | 1_u64 << (wanted.wrapping_shr(shift) % 64);
        if u64::from_le_bytes(filter) & bits != bits {
            return Ok(None);
        }
        let bucket_array = filters.wrapping_add(u64::from(filter_words) * 8);
        let mut index = self.u32_at(bucket_array, wanted % buckets)?;
        let chain_array = bucket_array.wrapping_add(u64::from(buckets) * 4);
        for _ in 0..MAX_CHAIN {
            let Some(position) = index.checked_sub(first) else {
                return Ok(None);
            };
            let link = self.u32_at(chain_array, position)?;
            if link | 1 == wanted | 1
                && let Some(symbol) = self.symbol_if_named(symbols, index, name)?
            {
                return Ok(Some(symbol));
            }
            if link & 1 != 0 {
                return Ok(None);
            }
            index = index.wrapping_add(1);
        }
        Ok(None)
    }

    fn symbol_if_named(
        &self,
        symbols: &Section,
        index: u32,
        name: &str,
    ) -> Result<Option<Symbol>, ElfError> {
        let Some(texts) = self.linked(symbols) else {
            return Ok(None);
        };
        let mut entry = [0; SYMBOL_SIZE];
        let at = u64::from(index) * SYMBOL_SIZE as u64;
        self.read_at_offset(symbols.offset.wrapping_add(at), &mut entry)?;
        let entry = Bytes(&entry);
        let mut text = vec![0; name.len() + 1];
        let text_at = texts.offset.wrapping_add(u64::from(entry.u32_at(0)));
        self.read_at_offset(text_at, &mut text)?;
        let is_it = text.strip_suffix(&[0]) == Some(name.as_bytes());
        Ok(defined(entry).filter(|_| is_it))
    }

    fn u32_at(&self, array: u64, index: u32) -> Result<u32, ElfError> {
        let mut word = [0; 4];
        self.read_at_offset(array.wrapping_add(u64::from(index) * 4), &mut word)?;
        Ok(u32::from_le_bytes(word))
    }
}

/// Returns the symbol, unless the file only refers to it.
fn defined(entry: Bytes<'_>) -> Option<Symbol> {
    (entry.u16_at(6) != elf::SHN_UNDEF).then(|| Symbol {
        address: entry.u64_at(8),
        size: entry.u64_at(16),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::elf_fixture;
    use crate::process::elf_fixture::ADDRESS;
    use crate::process::mapped_file::MappedFile;
    use crate::process::maps::read_maps;

    fn fixture(table: u32) -> ElfFile {
        let symbols = [("longer_name", ADDRESS, 1), ("last", ADDRESS + 8, 2)];
        let content = elf_fixture::elf(table, &symbols, &[7; 32]);
        ElfFile::parse(elf_fixture::open(&content)).expect("a good file")
    }

    #[test]
    fn finds_symbols_without_an_index() {
        let last = Some(Symbol {
            address: ADDRESS + 8,
            size: 2,
        });
        let file = fixture(elf::SHT_SYMTAB);
        let found = file
            .static_symbols(["last", "name", "first"])
            .expect("a good table");
        assert_eq!(found, [last, None, None]);
        assert_eq!(file.dynamic_symbol("last").expect("no table"), None);
        let file = fixture(elf::SHT_DYNSYM);
        assert_eq!(file.dynamic_symbol("last").expect("a good table"), last);
        assert_eq!(file.static_symbols(["last"]).expect("no table"), [None]);
    }

    #[test]
    fn finds_symbols_by_hash() {
        let pid = std::process::id();
        let maps = read_maps(pid).expect("we may look at ourselves");
        let mapping = maps
            .iter()
            .find(|map| map.executable && map.file_name().starts_with(b"libc.so"))
            .expect("tests are linked with the C library");
        let file = MappedFile::locate(pid, mapping).expect("it is there");
        let file = ElfFile::parse(file.open().expect("readable")).expect("a good file");
        assert!(file.section_of_kind(elf::SHT_GNU_HASH).is_some());
        let symbol = file
            .dynamic_symbol("qsort")
            .expect("a good table")
            .expect("it is there");
        let bias = file.segments().load_bias(mapping).expect("it fits");
        let address = bias.wrapping_add(symbol.address);
        assert!((mapping.start..mapping.end).contains(&address));
        let streamed = file.streamed_symbols(
            file.section_of_kind(elf::SHT_DYNSYM).expect("it is there"),
            ["qsort", "no_such_function"],
        );
        assert_eq!(streamed.expect("a good table"), [Some(symbol), None]);
        assert_eq!(
            file.dynamic_symbol("no_such_function")
                .expect("a good table"),
            None
        );
        assert_eq!(
            file.soname().expect("a good table").as_deref(),
            Some(&b"libc.so.6"[..])
        );
    }

    #[test]
    fn strings_are_seen_across_chunks() {
        let mut content = vec![b'x'; CHUNK * 2 + 100];
        let split = CHUNK - 2;
        content[split..split + 5].copy_from_slice(b"\0abc\0");
        content.push(0);
        let file = elf_fixture::elf(elf::SHT_SYMTAB, &[], &content);
        let file = ElfFile::parse(elf_fixture::open(&file)).expect("a good file");
        let mut seen = Vec::new();
        let section = file.section(".rodata").expect("it is there");
        file.visit_strings(section, 4, |end, text| {
            seen.push((end, text.to_vec()));
            true
        })
        .expect("it is whole");
        assert_eq!(seen[0], (split as u64, b"xxxx".to_vec()));
        assert_eq!(seen[1], (split as u64 + 4, b"\0abc".to_vec()));
        assert_eq!(seen[2], (content.len() as u64 - 1, b"xxxx".to_vec()));
    }
}
