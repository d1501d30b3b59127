// SPDX-License-Identifier: MIT OR Apache-2.0

//! How each build of CPython lays out dicts, ints, modules and the attributes of
//! instances.
//!
//! Sources: the debug information of 3.6.15 to 3.13.0 and the headers of 3.13 to 3.15,
//! compiled with and without `Py_GIL_DISABLED`. A row holds for all builds of one object
//! header; offsets are in bytes.

/// The layout of everything between `sys.modules` and the name of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttributeLayout {
    /// `PyDictObject.ma_used`; version tag, keys and values follow, a word each.
    pub dict_used: u16,
    /// How a dict's keys are stored.
    pub keys: KeysKind,
    /// Where the first value is in `PyDictValues`.
    pub values: ValuesKind,
    /// Where an instance keeps its attributes.
    pub instance: InstanceKind,
    /// `PyTypeObject`.
    pub types: TypeLayout,
    /// How an `int` stores its number of digits.
    pub integer: IntegerKind,
    /// The size or tag in `PyLongObject`; the digits follow 8 bytes later.
    pub integer_size: u16,
    /// `PyModuleObject.md_dict`.
    pub module_dict: u16,
}

/// Offsets in `PyTypeObject`, and in `PyHeapTypeObject`, which begins with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeLayout {
    /// `tp_basicsize`.
    pub basic_size: u16,
    /// `tp_flags`.
    pub flags: u16,
    /// `tp_dictoffset`.
    pub dict_offset: u16,
    /// `ht_cached_keys`; used from 3.11 only.
    pub cached_keys: u16,
}

/// How `PyDictKeysObject` stores its size, and what an entry looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeysKind {
    /// `dk_size` is the number of indices; entries have three words (to 3.10).
    Size,
    /// `dk_log2_size` and `dk_log2_index_bytes`; entries have two words where all keys
    /// are texts (from 3.11).
    Logarithm,
}

/// What precedes the values in `PyDictValues`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValuesKind {
    /// Nothing that is needed (to 3.12).
    Bare,
    /// A word that begins with the capacity. In values that are part of an instance, its
    /// third byte is 1, and its fourth is 0 once they are no longer in use (from 3.13).
    Counted,
}

/// Where an instance keeps its attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceKind {
    /// In the dict at `tp_dictoffset` (to 3.10).
    DictOffset,
    /// Behind one of two pointers before the object: to values, 32 bytes before it, or to
    /// a dict, 24 bytes before it (3.11).
    ValuesOrDict,
    /// Behind one pointer 24 bytes before the object: to a dict, or to values if its
    /// lowest bit is set (3.12).
    Tagged,
    /// In a dict whose address is `dict_before` bytes before the object or, when
    /// that is null, in values at the end of the object (from 3.13).
    Inline {
        /// 24, or 8 without the GIL.
        dict_before: u16,
    },
}

/// What precedes the digits of an `int`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntegerKind {
    /// `ob_size`, the number of digits; negative for a negative number (to 3.11).
    SignedSize,
    /// `lv_tag`: the number of digits times eight, plus the sign: 0 for a positive number
    /// (from 3.12).
    Tag,
}

impl AttributeLayout {
    /// Returns the row of CPython 3.`minor`; `None` when it is not known.
    pub fn of_version(minor: u8, free_threaded: bool) -> Option<&'static Self> {
        match (minor, free_threaded) {
            (6..=10, false) => Some(&PYTHON_3_6),
            (11, false) => Some(&PYTHON_3_11),
            (12, false) => Some(&PYTHON_3_12),
            (13 | 14, false) => Some(&PYTHON_3_13),
            (15, false) => Some(&PYTHON_3_15),
            (13 | 14, true) => Some(&FREE_THREADED_3_13),
            (15, true) => Some(&FREE_THREADED_3_15),
            _ => None,
        }
    }
}

const PYTHON_3_6: AttributeLayout = AttributeLayout {
    dict_used: 16,
    keys: KeysKind::Size,
    values: ValuesKind::Bare,
    instance: InstanceKind::DictOffset,
    types: types(872),
    integer: IntegerKind::SignedSize,
    integer_size: 16,
    module_dict: 16,
};

const PYTHON_3_11: AttributeLayout = AttributeLayout {
    keys: KeysKind::Logarithm,
    instance: InstanceKind::ValuesOrDict,
    ..PYTHON_3_6
};

const PYTHON_3_12: AttributeLayout = AttributeLayout {
    instance: InstanceKind::Tagged,
    types: types(880),
    integer: IntegerKind::Tag,
    ..PYTHON_3_11
};

const PYTHON_3_13: AttributeLayout = AttributeLayout {
    values: ValuesKind::Counted,
    instance: InstanceKind::Inline { dict_before: 24 },
    ..PYTHON_3_12
};

const PYTHON_3_15: AttributeLayout = AttributeLayout {
    types: types(888),
    ..PYTHON_3_13
};

const FREE_THREADED_3_13: AttributeLayout = AttributeLayout {
    dict_used: 32,
    instance: InstanceKind::Inline { dict_before: 8 },
    types: free_threaded_types(896),
    integer_size: 32,
    module_dict: 32,
    ..PYTHON_3_13
};

const FREE_THREADED_3_15: AttributeLayout = AttributeLayout {
    types: free_threaded_types(904),
    ..FREE_THREADED_3_13
};

const fn types(cached_keys: u16) -> TypeLayout {
    TypeLayout {
        basic_size: 32,
        flags: 168,
        dict_offset: 288,
        cached_keys,
    }
}

const fn free_threaded_types(cached_keys: u16) -> TypeLayout {
    TypeLayout {
        basic_size: 48,
        flags: 184,
        dict_offset: 304,
        cached_keys,
    }
}
