// SPDX-License-Identifier: MIT OR Apache-2.0

//! The command `serve`: `run` starts the supervisor, which starts this program once more as
//! `recorder`, which samples, and as `front`, which owns the network
//! (`docs/internals/serve.md`).

mod answers;
mod chunk_file;
mod chunks;
mod closer_look;
mod condenser;
mod conditions;
mod dumps;
pub mod error;
mod event_loop;
pub mod front;
mod last_words_text;
mod mark_limit;
mod process_name;
pub mod recorder;
mod resting;
pub mod run;
mod stall;
mod stall_text;
mod status;
mod totals;
mod wall_clock;
mod watch;
mod watching;
