//! The formats a trace can be written in. It refuses to know where a trace comes from.
