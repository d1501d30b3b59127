// SPDX-License-Identifier: MIT OR Apache-2.0

//! What Linux tells about any process: identity, mappings, ELF files, memory, cgroups.
//! Nothing here depends on [`crate::cpython`]. A process can change or end at any time,
//! so every answer may already be out of date.

pub mod cgroup;
pub mod cgroup_selector;
pub mod comm;
pub mod container;
pub mod cpu_time;
pub mod descendants;
pub mod descriptor;
pub mod elf;
#[cfg(test)]
pub mod elf_fixture;
pub mod elf_symbols;
pub mod environment;
pub mod files;
pub mod fs_credentials;
pub mod identity;
pub mod living_task;
pub mod mapped_elf;
pub mod mapped_file;
pub mod maps;
pub mod memory;
pub mod namespace;
pub mod proc_file;
pub mod proc_stat;
pub mod program;
pub mod program_start;
pub mod stat;
pub mod status;
pub mod task;
pub mod time_namespace;
