// SPDX-License-Identifier: MIT OR Apache-2.0

//! Names and source text of code that moves, ends or is replaced.

mod lives;
mod replaced_code;
mod source_text;
