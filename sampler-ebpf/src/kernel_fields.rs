// SPDX-License-Identifier: MIT OR GPL-2.0-only

//! Reads fields of the kernel's structures. User space takes their offsets from the kernel's
//! own BTF and sets them before loading, since rustc emits no relocations for them.

use aya_ebpf::helpers::bpf_probe_read_kernel;

/// Defines offsets, which user space sets by their names.
macro_rules! offsets {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[unsafe(no_mangle)]
        static $name: u32 = 0;
    )*};
}
pub(crate) use offsets;

#[inline(always)]
pub(crate) fn offset(of: &'static u32) -> u64 {
    // SAFETY: a reference is valid to read; volatile, since the loader replaces
    // the value that the compiler sees.
    u64::from(unsafe { core::ptr::read_volatile(of) })
}

/// Reads the kernel's memory; `None` where it cannot be read.
#[inline(always)]
pub(crate) fn read<T>(address: u64) -> Option<T> {
    // SAFETY: the helper checks the address; all uses read plain integers.
    unsafe { bpf_probe_read_kernel(address as *const T) }.ok()
}

/// Reads a field of the structure at `base`.
#[inline(always)]
pub(crate) fn field<T>(base: u64, of: &'static u32) -> Option<T> {
    read(base.wrapping_add(offset(of)))
}
