// SPDX-License-Identifier: MIT OR Apache-2.0

//! A memory and a layout for the unit tests. The layout resembles that of no version of
//! CPython.

use std::vec::Vec;

use bytemuck::Zeroable;

use crate::layout::{ABSENT, InterpreterLayout};
use crate::memory::{MemoryFault, UserMemory};
use crate::process::{ProcessConfig, ProcessKey};

/// The first address of a [`TestMemory`].
pub(crate) const BASE: u64 = 0x10_0000;

/// Bytes from [`BASE`] on; nothing else can be read.
pub(crate) struct TestMemory(pub(crate) Vec<u8>);

impl TestMemory {
    pub(crate) fn new(size: usize) -> Self {
        Self(std::vec![0; size])
    }

    pub(crate) fn set_bytes(&mut self, address: u64, bytes: &[u8]) {
        let start = (address - BASE) as usize;
        self.0[start..start + bytes.len()].copy_from_slice(bytes);
    }

    pub(crate) fn set(&mut self, base: u64, offset: u16, value: u64) {
        self.set_bytes(base + u64::from(offset), &value.to_ne_bytes());
    }
}

impl UserMemory for TestMemory {
    fn read_bytes(&self, address: u64, destination: &mut [u8]) -> Result<(), MemoryFault> {
        let fault = MemoryFault { address };
        let start = address.checked_sub(BASE).ok_or(fault)? as usize;
        let end = start.checked_add(destination.len()).ok_or(fault)?;
        destination.copy_from_slice(self.0.get(start..end).ok_or(fault)?);
        Ok(())
    }
}

/// A layout in which no two fields of a structure overlap.
pub(crate) fn layout() -> InterpreterLayout {
    let mut layout = InterpreterLayout::zeroed();
    layout.runtime.interpreters_head = 0;
    layout.runtime.tstate_current = 8;
    layout.runtime.tss_struct = 16;
    layout.runtime.interp_next = 0;
    layout.runtime.interp_threads_head = 8;
    layout.thread.next = 0;
    layout.thread.interp = 8;
    layout.thread.frame_head = 16;
    layout.thread.thread_id = 24;
    layout.thread.status = ABSENT;
    layout.thread.executor = ABSENT;
    layout.thread.read_size = 40;
    layout.code.flags = 16;
    layout.code.firstlineno = 20;
    layout.code.filename = 24;
    layout.code.name = 32;
    layout.code.qualname = 40;
    layout.code.linetable = 48;
    layout.code.version = 56;
    layout.code.unit_count = 60;
    layout.code.read_size = 64;
    layout.object.str_length = 8;
    layout.object.str_state = 16;
    layout.object.str_ascii_data = 24;
    layout.object.str_compact_data = 40;
    layout.object.str_kind_shift = 2;
    layout
}

/// A process whose runtime is at [`BASE`], and of which only the list of threads is
/// known.
pub(crate) fn config() -> ProcessConfig {
    let mut config = ProcessConfig::zeroed();
    config.key = ProcessKey(1);
    config.runtime = BASE;
    config.layout = layout();
    config.layout.runtime.tstate_current = ABSENT;
    config.layout.runtime.tss_struct = ABSENT;
    config
}
