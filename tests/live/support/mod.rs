// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the tests share: the machine, the targets, recordings of them, and what these
//! recordings say.

pub(crate) mod all_states;
pub(crate) mod balance;
pub(crate) mod chains;
pub(crate) mod container;
pub(crate) mod dumped;
pub(crate) mod kernel_tables;
pub(crate) mod known_chain;
pub(crate) mod layout;
pub(crate) mod machine;
pub(crate) mod marks;
pub(crate) mod not_run;
pub(crate) mod ordinary;
pub(crate) mod output;
pub(crate) mod packages;
pub(crate) mod paged_out;
pub(crate) mod programs;
pub(crate) mod recording;
pub(crate) mod scratch;
pub(crate) mod short_scripts;
pub(crate) mod states;
pub(crate) mod target;
pub(crate) mod timeline;
pub(crate) mod wall;
pub(crate) mod work;
