// SPDX-License-Identifier: MIT OR Apache-2.0

//! The account of every sample, also where most are lost.

mod balance;
mod nothing_shown;
mod overload;
