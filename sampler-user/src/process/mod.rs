//! Any process: identity, mappings, ELF files, memory. It refuses to know
//! Python, and every answer may be out of date the moment it is given.

pub mod cgroup;
pub mod cgroup_selector;
pub mod container;
pub mod descendants;
pub mod elf;
#[cfg(test)]
pub(crate) mod elf_fixture;
pub mod elf_symbols;
pub mod files;
pub mod identity;
pub mod mapped_file;
pub mod maps;
pub mod memory;
pub mod namespace;
mod program;
pub mod task;
pub mod vitals;
