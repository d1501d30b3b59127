// SPDX-License-Identifier: MIT OR Apache-2.0

//! The eBPF program's table of programs without Python in them.

use aya::maps::{HashMap, MapData};
use sampler_common::lifecycle::ProgramId;

const SIZE: usize = size_of::<ProgramId>();

/// Writes the table.
pub struct NonPythonExecutables {
    map: HashMap<MapData, [u8; SIZE], u8>,
}

impl NonPythonExecutables {
    pub(super) fn new(map: HashMap<MapData, [u8; SIZE], u8>) -> Self {
        Self { map }
    }

    /// Adds a program whose starts are of no interest from now on. Returns false if the
    /// table is full.
    pub fn add(&mut self, program: ProgramId) -> bool {
        let key: [u8; SIZE] = bytemuck::cast(program);
        self.map.insert(key, 1, 0).is_ok()
    }

    /// Removes a program, so that its starts are reported again. One that is not in the
    /// table is no error.
    pub fn remove(&mut self, program: ProgramId) {
        let key: [u8; SIZE] = bytemuck::cast(program);
        let _ = self.map.remove(&key);
    }
}
