// SPDX-License-Identifier: MIT OR Apache-2.0

//! Who owns what pyebpf creates: always the user that it runs as.

use thiserror::Error;

/// Why pyebpf cannot act for another user: it never tries to.
#[derive(Debug, Error)]
pub enum PrivilegeError {}

/// Who owns the files that pyebpf writes: the user that it runs as, even if that is not
/// the one who called sudo.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner;

impl Owner {
    /// Returns the user that pyebpf runs as.
    ///
    /// # Errors
    /// None.
    pub fn of_this_process() -> Result<Self, PrivilegeError> {
        Ok(Self)
    }
}
