//! Frozen processes: what the walker read of a live interpreter, kept in a file,
//! and walked again without the process. It refuses to know what is done to them
//! in between.

pub mod file;
pub mod memory;
pub mod replay;
