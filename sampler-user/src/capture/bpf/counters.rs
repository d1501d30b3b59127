// SPDX-License-Identifier: MIT OR Apache-2.0

//! The eBPF program's counters, summed over the CPUs.

use aya::maps::{MapData, PerCpuArray};
use sampler_common::counter::{Counter, CounterValues};

/// Reads the counters.
pub struct Counters {
    map: PerCpuArray<MapData, u64>,
}

impl Counters {
    pub(super) fn new(map: PerCpuArray<MapData, u64>) -> Self {
        Self { map }
    }

    /// Whether this process may read them now.
    pub fn can_be_read(&self) -> bool {
        self.map.get(&0, 0).is_ok()
    }

    /// Returns all counters, summed over the CPUs. One that cannot be read is 0.
    pub fn read(&self) -> CounterValues {
        let mut values = CounterValues::default();
        for counter in Counter::ALL {
            values.set(counter, self.read_one(counter));
        }
        values
    }

    /// Returns one counter, summed over the CPUs; 0 if it cannot be read.
    pub fn read_one(&self, counter: Counter) -> u64 {
        let per_cpu = self.map.get(&(counter as u32), 0);
        per_cpu.map_or(0, |per_cpu| per_cpu.iter().sum())
    }
}
