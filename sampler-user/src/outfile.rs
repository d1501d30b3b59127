//! Writes a file beside its destination and puts it there whole, owned by the caller of sudo. It refuses to know its content.
