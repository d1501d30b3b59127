//! The kernel side's statistics, summed over the CPUs. It refuses to judge them.

use aya::maps::{MapData, PerCpuArray};
use sampler_common::counter::Counter;

/// Reads the statistics.
pub struct Counters {
    map: PerCpuArray<MapData, u64>,
}

/// The statistics at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CounterValues([u64; Counter::COUNT]);

impl CounterValues {
    /// The value of one statistic.
    pub fn get(&self, counter: Counter) -> u64 {
        self.0[counter as usize]
    }

    /// Sets what was counted elsewhere.
    pub fn set(&mut self, counter: Counter, number: u64) {
        self.0[counter as usize] = number;
    }

    /// Counts `number` more.
    pub fn add(&mut self, counter: Counter, number: u64) {
        let value = &mut self.0[counter as usize];
        *value = value.saturating_add(number);
    }

    /// Counts what `other` has counted.
    pub fn add_all(&mut self, other: &Self) {
        for counter in Counter::ALL {
            self.add(counter, other.get(counter));
        }
    }
}

impl Counters {
    pub(super) fn new(map: PerCpuArray<MapData, u64>) -> Self {
        Self { map }
    }

    /// Whether this process may read them now.
    pub fn can_be_read(&self) -> bool {
        self.map.get(&0, 0).is_ok()
    }

    /// Sums every statistic over the CPUs. One that cannot be read counts as 0.
    pub fn read(&self) -> CounterValues {
        let mut values = CounterValues::default();
        for counter in Counter::ALL {
            values.0[counter as usize] = self.read_one(counter);
        }
        values
    }

    /// Sums one statistic over the CPUs. One that cannot be read is 0.
    pub fn read_one(&self, counter: Counter) -> u64 {
        let per_cpu = self.map.get(&(counter as u32), 0);
        per_cpu.map_or(0, |per_cpu| per_cpu.iter().sum())
    }
}
