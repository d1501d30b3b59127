// SPDX-License-Identifier: MIT OR Apache-2.0

//! Situations in which users of sampling profilers lost samples, times or processes.

mod cpus;
mod early_forks;
mod ended_main_thread;
mod held_up;
mod large_pools;
mod own_frames;
mod own_time;
mod paged_out;
mod private_mount;
mod rewritten_programs;
mod time;
