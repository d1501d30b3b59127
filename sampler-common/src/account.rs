// SPDX-License-Identifier: MIT OR Apache-2.0

//! The counts that the eBPF programs keep for each life of each process, so that a sample
//! that never arrives is missed in the right process.

use bytemuck::{Pod, Zeroable};

use crate::counter::CounterValues;
use crate::fate::Fate;

/// The samples of one life of one process, as the eBPF programs counted them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct KernelAccount {
    /// How many samples had each fate, by its number.
    pub by_fate: [u64; Fate::COUNT],
}

impl KernelAccount {
    /// An account in which nothing has been counted.
    pub const ZERO: Self = Self {
        by_fate: [0; Fate::COUNT],
    };

    /// Returns how many samples had this fate.
    pub fn get(&self, fate: Fate) -> u64 {
        self.by_fate[fate as usize]
    }

    /// Adds `number` samples with this fate.
    pub fn add(&mut self, fate: Fate, number: u64) {
        let value = &mut self.by_fate[fate as usize];
        *value = value.saturating_add(number);
    }

    /// Returns what was counted since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let fates = Fate::ALL.into_iter();
        fates
            .map(|fate| (fate, self.get(fate).saturating_sub(before.get(fate))))
            .collect()
    }

    /// Adds what was counted elsewhere.
    pub fn add_all(&mut self, other: &Self) {
        for fate in Fate::ALL {
            self.add(fate, other.get(fate));
        }
    }
}

impl FromIterator<(Fate, u64)> for KernelAccount {
    fn from_iter<I: IntoIterator<Item = (Fate, u64)>>(fates: I) -> Self {
        let mut account = Self::ZERO;
        for (fate, number) in fates {
            account.add(fate, number);
        }
        account
    }
}

impl From<&CounterValues> for KernelAccount {
    /// Returns the account of all processes together.
    fn from(counters: &CounterValues) -> Self {
        let fates = Fate::ALL.into_iter();
        fates
            .map(|fate| (fate, counters.get(fate.counter())))
            .collect()
    }
}

const _: () = assert!(size_of::<KernelAccount>() == 32);
