// SPDX-License-Identifier: MIT OR Apache-2.0

//! Directories for tests.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs};

/// Creates a new directory that anyone can enter.
pub(crate) fn tempdir(purpose: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("pyebpf-test-{purpose}-{}-{number}", std::process::id());
    let path = env::temp_dir().join(name);
    fs::create_dir(&path).expect("a new directory");
    #[cfg(unix)]
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("its mode can be set");
    path
}
