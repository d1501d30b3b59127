//! What several integration tests share. It refuses to know what they test.

pub mod frozen;
pub mod interpreters;
pub mod script;
