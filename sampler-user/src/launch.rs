//! Starts the command to be profiled, as the caller of sudo. It refuses to know that it is profiled.
