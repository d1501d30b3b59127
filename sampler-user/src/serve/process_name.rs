// SPDX-License-Identifier: MIT OR Apache-2.0

//! The names by which tools such as `ps` and the journal know the server's processes.

use std::ffi::CStr;

use rustix::thread::set_name;

/// Gives this process, which was started as `/proc/self/exe`, a name of at most 15 bytes.
/// Call it from the main thread.
pub(super) fn name_process(name: &CStr) {
    // An error would only leave the old name.
    set_name(name).ok();
}
