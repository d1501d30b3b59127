//! What the typed arguments mean: checked, with defaults. It refuses to do any of it.
