// SPDX-License-Identifier: MIT OR Apache-2.0

//! A real server: what it answers, and what becomes of it when something breaks.

mod answers;
mod clients;
mod clock;
mod condensed;
mod disk_faults;
mod faults;
mod server;
mod service;
mod watched;
