// SPDX-License-Identifier: MIT OR Apache-2.0

//! The file of a frozen process: gzip-compressed JSON.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use bytemuck::Zeroable;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use sampler_common::process::ProcessConfig;
use sampler_cpython::cpython::line_table::LineTableKind;
use serde::{Deserialize, Serialize};

/// A waiting interpreter, and the memory that was read from it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct FrozenProcess {
    /// The version that it reported, such as `3.12.1`.
    pub version: String,
    /// The bytes of its [`ProcessConfig`].
    config: Vec<u8>,
    /// The name of its [`LineTableKind`].
    line_tables: String,
    /// Its threads.
    pub threads: Vec<FrozenThread>,
    /// What was read, in order of address. One read may lie inside another.
    pub reads: Vec<FrozenRead>,
}

/// A thread, and the stack that the interpreter itself reported for it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct FrozenThread {
    /// Its thread pointer.
    pub thread_pointer: u64,
    /// Its frames, innermost first.
    pub frames: Vec<ExpectedFrame>,
}

/// A frame: qualified name (up to 3.10 the plain one), file and current line.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct ExpectedFrame(pub String, pub String, pub u32);

/// One read of the memory of the process.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct FrozenRead {
    /// The address of the first byte.
    pub address: u64,
    /// The number of bytes that were requested.
    pub size: u64,
    /// The bytes requested, and possibly some that follow them.
    pub bytes: Vec<u8>,
}

impl FrozenProcess {
    /// Returns a process without threads and reads.
    pub fn new(version: String, config: &ProcessConfig, line_tables: LineTableKind) -> Self {
        Self {
            version,
            config: bytemuck::bytes_of(config).to_vec(),
            line_tables: format!("{line_tables:?}"),
            threads: Vec::new(),
            reads: Vec::new(),
        }
    }

    /// Returns what the eBPF program knew about the process.
    ///
    /// # Panics
    /// If the file was written with a [`ProcessConfig`] of another size.
    pub fn config(&self) -> ProcessConfig {
        let mut config = ProcessConfig::zeroed();
        let bytes = bytemuck::bytes_of_mut(&mut config);
        assert_eq!(
            bytes.len(),
            self.config.len(),
            "{}: the configuration has changed; make it again with `cargo xtask freeze`",
            self.version
        );
        bytes.copy_from_slice(&self.config);
        config
    }

    /// Returns how its line tables are encoded.
    ///
    /// # Panics
    /// If the file names an unknown kind.
    pub fn line_tables(&self) -> LineTableKind {
        let kinds = [
            LineTableKind::Lnotab,
            LineTableKind::Linetable310,
            LineTableKind::Locations311,
        ];
        let known = kinds
            .into_iter()
            .find(|kind| format!("{kind:?}") == self.line_tables);
        known.unwrap_or_else(|| panic!("{}: {}", self.version, self.line_tables))
    }

    /// Returns its version without the last number: `3.12`, or `3.13t` for a
    /// free-threaded build.
    pub fn minor_version(&self) -> String {
        let minor = self.version.rsplit_once('.').map_or("", |(minor, _)| minor);
        let mark = if self.version.ends_with('t') { "t" } else { "" };
        format!("{minor}{mark}")
    }

    /// Writes the process to `directory`, in a file named after its minor
    /// version, and returns the path.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, directory: &Path) -> io::Result<PathBuf> {
        let path = directory.join(format!("{}.frozen", self.minor_version()));
        let mut encoder = GzEncoder::new(File::create(&path)?, Compression::best());
        serde_json::to_writer(&mut encoder, self)?;
        encoder.finish()?;
        Ok(path)
    }
}

/// Returns the directory of the frozen processes.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("frozen")
}

/// Reads every frozen process, in order of file name.
///
/// # Panics
/// If one cannot be read.
pub fn all() -> Vec<FrozenProcess> {
    let entries = fs::read_dir(directory()).expect("it is part of the repository");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.extension().is_some_and(|name| name == "frozen"))
        .collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let file = File::open(path).expect("it was listed");
        serde_json::from_reader(GzDecoder::new(io::BufReader::new(file)))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    paths.iter().map(read).collect()
}
