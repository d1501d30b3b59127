//! The container a recording is kept in while it runs. It refuses to know the other formats.
