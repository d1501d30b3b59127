// SPDX-License-Identifier: MIT OR Apache-2.0

//! The front over real sockets: a double of the recorder is at the other end of its pair of
//! sockets, and a state directory has traces that a `TraceWriter` wrote.

mod api;
mod chunks;
mod client;
mod document;
mod load;
mod real_clients;
mod recorder;
mod safety;
mod schema;
mod server;
mod streams;
mod traces;
