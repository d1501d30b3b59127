//! The closing summary: what was sampled, what was lost, and why. It refuses to count: it is given the counts.
