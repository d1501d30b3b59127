//! What can be typed on the command line. It refuses to know what it means: config.rs does.
