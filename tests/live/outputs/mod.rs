// SPDX-License-Identifier: MIT OR Apache-2.0

//! The files that a recording writes.

mod destinations;
mod places;
