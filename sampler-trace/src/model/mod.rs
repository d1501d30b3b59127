// SPDX-License-Identifier: MIT OR Apache-2.0

//! Rows: what each thread did, from when to when.

pub mod builder;
pub mod identifiers;
pub mod intern;
pub mod renumber;
pub mod row;
pub mod row_store;
pub mod symbols;
pub mod track;
pub mod varint;
