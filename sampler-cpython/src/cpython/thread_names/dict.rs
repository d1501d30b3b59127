// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads dicts, and the keys and values that instances share with their class, as one
//! consistent copy.

use sampler_common::memory::UserMemory;

use crate::cpython::thread_names::error::ThreadNamesError;
use crate::cpython::thread_names::layout::{KeysKind, ValuesKind};
use crate::cpython::thread_names::objects::{Objects, Subclass};

/// The most entries, deleted ones included, of a dict that is read.
const MAX_ENTRIES: u64 = 1 << 16;
/// The most indices of a dict: entries fill at least a third of them in 3.6, and half
/// later.
const MAX_INDICES: u64 = 1 << 20;
/// Bytes of `PyDictKeysObject` before the indices, in the larger layout.
const KEYS_HEADER: usize = 40;

/// One key with its value, both as addresses of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: u64,
    pub(super) value: u64,
    /// The key's hash, in dicts whose keys can be of any type.
    pub(super) hash: Option<u64>,
    /// Address of the key's word in the entry; the value's follows.
    pub(super) slot: u64,
}

/// Where the entries of one `PyDictKeysObject` are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Keys {
    entries: u64,
    entry_count: u64,
    /// Words of an entry: hash, key and value, or only the last two.
    entry_words: usize,
}

/// The fields of a dict, without its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    used: u64,
    /// `ma_version_tag`, which counts changes (to 3.13).
    tag: u64,
    keys: u64,
    values: u64,
}

/// A dict as it was at one moment.
pub(super) struct DictCopy {
    address: u64,
    header: Header,
    keys: Keys,
    /// What it held, in the order of insertion.
    pub(super) entries: Vec<Entry>,
}

impl<Memory: UserMemory> Objects<'_, Memory> {
    /// Reads the entries of the dict at `address`, in the order of insertion.
    ///
    /// # Errors
    /// [`ThreadNamesError::Changed`] when it was written to during the read.
    pub(super) fn dict(&self, address: u64) -> Result<Vec<Entry>, ThreadNamesError> {
        self.dict_copy(address).map(|copy| copy.entries)
    }

    /// Like [`Objects::dict`], with what is needed to find out later what is still the
    /// same.
    pub(super) fn dict_copy(&self, address: u64) -> Result<DictCopy, ThreadNamesError> {
        self.require(address, Subclass::Dict)?;
        let header = self.header(address)?;
        let keys = self.keys(header.keys)?;
        let entries = match header.values {
            0 => self.entries(header.keys).map(present),
            values => self.split(header.keys, values),
        };
        if self.header(address)? == header && self.keys(header.keys)? == keys {
            Ok(DictCopy {
                address,
                header,
                keys,
                entries: entries?,
            })
        } else {
            Err(ThreadNamesError::Changed { address })
        }
    }

    /// Whether `entry` has been in the dict all the time since it was copied, so that its
    /// key and value have lived and are what they were.
    ///
    /// An entry of a dict stays in its place, and its place is not used again, until all
    /// entries move to new keys.
    ///
    /// # Errors
    /// [`ThreadNamesError::Changed`] when they moved.
    pub(super) fn still_has(
        &self,
        copy: &DictCopy,
        entry: &Entry,
    ) -> Result<bool, ThreadNamesError> {
        let has_entry =
            self.word(entry.slot, 0)? == entry.key && self.word(entry.slot, 8)? == entry.value;
        let header = self.header(copy.address)?;
        let keys = self.keys(copy.header.keys)?;
        let moved = header.keys != copy.header.keys
            || keys.entries != copy.keys.entries
            || keys.entry_count < copy.keys.entry_count;
        if moved {
            let address = copy.address;
            return Err(ThreadNamesError::Changed { address });
        }
        Ok(has_entry)
    }

    fn header(&self, address: u64) -> Result<Header, ThreadNamesError> {
        let mut bytes = [0; 32];
        let used = address.wrapping_add(u64::from(self.layout.dict_used));
        self.bytes(used, &mut bytes)?;
        Ok(Header {
            used: word(&bytes, 0),
            tag: word(&bytes, 1),
            keys: word(&bytes, 2),
            values: word(&bytes, 3),
        })
    }

    /// Reads the entries of keys whose values are at `values`.
    pub(super) fn split(&self, keys: u64, values: u64) -> Result<Vec<Entry>, ThreadNamesError> {
        let mut entries = self.entries(keys)?;
        let first = match self.layout.values {
            ValuesKind::Bare => values,
            ValuesKind::Counted => {
                // Capacity, size, embedded, valid (`pycore_dict.h`, 3.13). The last is
                // only ever set in values that are part of an instance.
                let [capacity, _, embedded, valid, ..] = self.word(values, 0)?.to_le_bytes();
                if embedded == 1 && valid == 0 {
                    return Err(ThreadNamesError::Changed { address: values });
                }
                entries.truncate(usize::from(capacity));
                values.wrapping_add(8)
            }
        };
        let mut bytes = vec![0; entries.len() * 8];
        self.bytes(first, &mut bytes)?;
        let (words, _) = bytes.as_chunks();
        for (entry, &word) in entries.iter_mut().zip(words) {
            entry.value = u64::from_ne_bytes(word);
        }
        Ok(present(entries))
    }

    /// Reads the entries as they are stored, including deleted and shared ones.
    fn entries(&self, address: u64) -> Result<Vec<Entry>, ThreadNamesError> {
        let keys = self.keys(address)?;
        let mut bytes = vec![0; keys.entry_count as usize * keys.entry_words * 8];
        self.bytes(keys.entries, &mut bytes)?;
        if self.keys(address)? != keys {
            return Err(ThreadNamesError::Changed { address });
        }
        let size = keys.entry_words * 8;
        // The key and the value are the last two words.
        let key = keys.entry_words - 2;
        let slot = |entry: usize| keys.entries.wrapping_add((entry * size + key * 8) as u64);
        let entries = bytes.chunks_exact(size).enumerate();
        Ok(entries
            .map(|(index, entry)| Entry {
                key: word(entry, key),
                value: word(entry, key + 1),
                hash: (key == 1).then(|| word(entry, 0)),
                slot: slot(index),
            })
            .collect())
    }

    fn keys(&self, address: u64) -> Result<Keys, ThreadNamesError> {
        let mut header = [0; KEYS_HEADER];
        let keys = match self.layout.keys {
            KeysKind::Size => {
                self.bytes(address, &mut header)?;
                sized_keys(address, &header)
            }
            KeysKind::Logarithm => {
                self.bytes(address, &mut header[..32])?;
                logarithmic_keys(address, &header)
            }
        };
        keys.filter(|keys| keys.entry_count <= MAX_ENTRIES)
            .ok_or(ThreadNamesError::Unexpected { address })
    }
}

fn present(entries: Vec<Entry>) -> Vec<Entry> {
    let present = entries.into_iter();
    present
        .filter(|entry| entry.key != 0 && entry.value != 0)
        .collect()
}

fn word(bytes: &[u8], index: usize) -> u64 {
    let (words, _) = bytes.as_chunks();
    words.get(index).map_or(0, |&word| u64::from_ne_bytes(word))
}

/// Parses the keys of 3.6 to 3.10 (`Objects/dict-common.h`): reference count, size,
/// lookup function, usable, entries. An index has as few bytes as can hold the size.
fn sized_keys(address: u64, header: &[u8; KEYS_HEADER]) -> Option<Keys> {
    let size = word(header, 1);
    if size > MAX_INDICES || !size.is_power_of_two() {
        return None;
    }
    let index_bytes = match size {
        0..=0xff => size,
        0x100..=0xffff => size * 2,
        _ => size * 4,
    };
    Some(Keys {
        entries: address.wrapping_add(40 + index_bytes),
        entry_count: word(header, 4),
        entry_words: 3,
    })
}

/// Parses the keys of 3.11 to 3.15 (`pycore_dict.h`): reference count; log2 of the size,
/// log2 of the bytes of the indices, kind; usable, entries. Kind 0 has keys of any type.
fn logarithmic_keys(address: u64, header: &[u8; KEYS_HEADER]) -> Option<Keys> {
    let [_, log2_index_bytes, kind, ..] = word(header, 1).to_le_bytes();
    let index_bytes = 1_u64.checked_shl(u32::from(log2_index_bytes))?;
    if index_bytes > MAX_INDICES * 4 {
        return None;
    }
    Some(Keys {
        entries: address.wrapping_add(32 + index_bytes),
        entry_count: word(header, 3),
        entry_words: match kind {
            0 => 3,
            1 | 2 => 2,
            _ => return None,
        },
    })
}
