// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where a C library keeps what belongs to one thread, relative to the thread pointer: its
//! thread-specific data, and its record of the thread.

use sampler_common::memory::UserMemory;
use sampler_common::process::ThreadSpecificData;

/// The C library of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CLibrary {
    /// The GNU C library. What is said of `struct pthread` below is the same in 2.31 to 2.44.
    Glibc,
    /// musl 1.2.
    Musl,
    /// Unknown, such as one that is linked statically. Threads are then found the slower
    /// way, through the list of all threads.
    Unknown,
}

impl CLibrary {
    /// Returns where it keeps the values of `pthread_getspecific` on x86_64.
    pub(super) fn thread_specific(self) -> ThreadSpecificData {
        match self {
            // `struct pthread.specific_1stblock`.
            Self::Glibc => ThreadSpecificData {
                offset: 0x310,
                stride: 16,
                value: 8,
                indirect: 0,
            },
            // `struct pthread.tsd`.
            Self::Musl => ThreadSpecificData {
                offset: 0x80,
                stride: 8,
                value: 0,
                indirect: 1,
            },
            Self::Unknown => ThreadSpecificData::UNKNOWN,
        }
    }
}

/// Where a C library notes a thread's number, as offsets from the thread pointer.
pub(super) struct NumberPlace {
    /// A pointer to the record itself.
    own_address: u64,
    /// The number, an `int`.
    number: u64,
}

/// `struct pthread` of glibc: `header.self`, `tid`.
const GLIBC: NumberPlace = NumberPlace {
    own_address: 0x10,
    number: 0x2d0,
};

/// `struct pthread` of musl: `self`, `tid`.
const MUSL: NumberPlace = NumberPlace {
    own_address: 0,
    number: 0x30,
};

/// Returns the places to try. glibc's comes first: it also has a pointer to its record
/// where musl has its own.
pub(super) fn number_places(c_library: CLibrary) -> &'static [NumberPlace] {
    match c_library {
        CLibrary::Glibc => &[GLIBC],
        CLibrary::Musl => &[MUSL],
        CLibrary::Unknown => &[GLIBC, MUSL],
    }
}

/// Whether the record of a thread is this C library's.
pub(super) fn has_record_of(
    memory: &impl UserMemory,
    c_library: CLibrary,
    thread_pointer: u64,
) -> bool {
    let mut places = number_places(c_library).iter();
    places.any(|place| number_in_library(memory, place, thread_pointer).is_some())
}

/// Reads the number from the C library's record; `None` when this is not its record of a
/// thread.
pub(super) fn number_in_library(
    memory: &impl UserMemory,
    place: &NumberPlace,
    thread_pointer: u64,
) -> Option<u32> {
    let own_address = memory
        .read_u64(thread_pointer.wrapping_add(place.own_address))
        .ok()?;
    if own_address != thread_pointer {
        return None;
    }
    let mut number = [0; 4];
    memory
        .read_bytes(thread_pointer.wrapping_add(place.number), &mut number)
        .ok()?;
    Some(u32::from_le_bytes(number))
}

#[cfg(test)]
mod tests {
    use sampler_common::memory::MemoryFault;

    use super::*;

    struct Record {
        own_address: u64,
        number: u32,
    }

    const POINTER: u64 = 0x7f00_0000_0740;

    impl UserMemory for Record {
        fn read_bytes(&self, address: u64, destination: &mut [u8]) -> Result<(), MemoryFault> {
            match address - POINTER {
                0x10 => destination.copy_from_slice(&self.own_address.to_le_bytes()),
                0x2d0 => destination.copy_from_slice(&self.number.to_le_bytes()),
                _ => return Err(MemoryFault { address }),
            }
            Ok(())
        }
    }

    #[test]
    fn a_record_must_know_its_own_address() {
        let told = |own_address, place| {
            let record = Record {
                own_address,
                number: 4711,
            };
            number_in_library(&record, place, POINTER)
        };
        assert_eq!(told(POINTER, &GLIBC), Some(4711));
        assert_eq!(told(POINTER + 8, &GLIBC), None);
        assert_eq!(told(POINTER, &MUSL), None);
    }
}
