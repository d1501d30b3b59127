// SPDX-License-Identifier: MIT OR Apache-2.0

//! Directories for tests.

use std::env;
use std::fs::DirBuilder;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// Creates a new directory that anyone can enter.
pub(crate) fn tempdir(purpose: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("pyebpf-test-{purpose}-{}-{number}", std::process::id());
    let path = env::temp_dir().join(name);
    let mut directory = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut directory, 0o755);
    directory.create(&path).expect("a new directory");
    path
}
