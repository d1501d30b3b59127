// SPDX-License-Identifier: MIT OR Apache-2.0

//! `pyebpf top`: what Python is doing now, in a terminal. It reads a container that
//! grows, and shows the last seconds of it.
//!
//! A [`SlidingWindow`](window::SlidingWindow) adds up what arrives, [`tables`] makes rows of it, a
//! [`View`](view::View) knows what the user has chosen, and [`draw`] puts it on the screen.

pub mod draw;
mod feed;
pub mod growing;
mod keys;
mod live;
pub mod run;
pub mod tables;
pub mod view;
pub mod window;
