//! The verb ps: which Python processes there are, and why some cannot be sampled. It refuses to sample.
