// SPDX-License-Identifier: MIT OR Apache-2.0

//! CPU time, rates and the limit on our own cost.

mod cpu_time;
mod max_cpu;
mod rate;
