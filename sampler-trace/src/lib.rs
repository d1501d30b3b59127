// SPDX-License-Identifier: MIT OR Apache-2.0

//! Traces of sampled Python processes: the data model, the `.pyebpf` container, the
//! formats that a trace can be read from and written to, and the analyses of a trace.

pub mod account;
pub mod analysis;
pub mod container;
pub mod convert;
pub mod escape;
pub mod formats;
pub mod model;
pub mod query;
