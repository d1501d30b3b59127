//! Any process: identity, mappings, ELF files, memory. It refuses to know
//! Python, and every answer may be out of date the moment it is given.

pub mod files;
pub mod memory;
