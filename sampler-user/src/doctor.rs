//! The verb doctor: what this kernel and these rights allow. It refuses to change anything.
