// SPDX-License-Identifier: MIT OR Apache-2.0

//! Targets that are forged or mean harm.

mod forged;
mod hostile;
