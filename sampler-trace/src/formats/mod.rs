// SPDX-License-Identifier: MIT OR Apache-2.0

//! The formats that a trace can be written in and read from.

pub mod chrome;
pub mod container;
pub mod firefox;
pub mod flame;
pub mod folded;
pub mod format;
pub mod html;
pub mod json_reader;
mod json_text;
mod out;
pub mod pprof;
pub mod sink;
pub mod size;
pub mod speedscope;
pub mod timeline_json;
