//! The kernel side's table of programs without Python in them. It refuses to know
//! how a program was found to be one.

use aya::maps::{HashMap, MapData};
use sampler_common::lifecycle::ProgramId;

const SIZE: usize = size_of::<ProgramId>();

/// Writes the table.
pub struct PlainProgramTable {
    map: HashMap<MapData, [u8; SIZE], u8>,
}

impl PlainProgramTable {
    pub(super) fn new(map: HashMap<MapData, [u8; SIZE], u8>) -> Self {
        Self { map }
    }

    /// Starts of `program` are of no interest from now on. Whether the table took
    /// it: it may be full.
    pub fn add(&mut self, program: ProgramId) -> bool {
        let key: [u8; SIZE] = bytemuck::cast(program);
        self.map.insert(key, 1, 0).is_ok()
    }

    /// Starts of `program` are told again. One that is not there is no error.
    pub fn remove(&mut self, program: ProgramId) {
        let key: [u8; SIZE] = bytemuck::cast(program);
        let _ = self.map.remove(&key);
    }
}
