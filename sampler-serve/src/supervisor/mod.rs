// SPDX-License-Identifier: MIT OR Apache-2.0

//! The process that starts recorder and front, and starts either again when it ends. It
//! binds the sockets and locks the state directory, hands descriptors down, and takes
//! nothing from the network.

mod backoff;
pub mod child;
pub mod launch;
mod listeners;
mod notify;
pub mod run;
