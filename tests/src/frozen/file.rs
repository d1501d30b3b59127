//! The file of a frozen process: compressed JSON. It refuses to know how a
//! process is frozen and what is then asked of it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use bytemuck::Zeroable;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use sampler_common::process::ProcessConfig;
use sampler_user::cpython::line_table::LineTableKind;
use serde::{Deserialize, Serialize};

/// An interpreter that waits, and what was read of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct FrozenProcess {
    /// The version it said it is, such as `3.12.1`.
    pub version: String,
    /// The bytes of its [`ProcessConfig`].
    config: Vec<u8>,
    /// The name of its [`LineTableKind`].
    line_tables: String,
    /// Its threads.
    pub threads: Vec<FrozenThread>,
    /// What was read, in order of address. Parts may lie inside of others.
    pub reads: Vec<FrozenRead>,
}

/// A thread, and what the interpreter itself said of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct FrozenThread {
    /// Its thread pointer.
    pub thread_pointer: u64,
    /// Its frames, innermost first.
    pub frames: Vec<ExpectedFrame>,
}

/// A frame: qualified name (to 3.10 the plain one), file and current line.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct ExpectedFrame(pub String, pub String, pub u32);

/// One read.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct FrozenRead {
    /// Where.
    pub address: u64,
    /// How many bytes were asked for.
    pub size: u64,
    /// What is there: the bytes asked for, and perhaps some behind them.
    pub bytes: Vec<u8>,
}

impl FrozenProcess {
    /// A process without threads and reads.
    pub fn new(version: String, config: &ProcessConfig, line_tables: LineTableKind) -> Self {
        Self {
            version,
            config: bytemuck::bytes_of(config).to_vec(),
            line_tables: format!("{line_tables:?}"),
            threads: Vec::new(),
            reads: Vec::new(),
        }
    }

    /// What the kernel side knew of it.
    ///
    /// # Panics
    /// When the file is older than the current [`ProcessConfig`].
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

    /// How its line tables are encoded.
    ///
    /// # Panics
    /// When the file names a kind that is not known.
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

    /// Its version without the last number: `3.12`, or `3.13t` for a build
    /// without the global lock.
    pub fn minor_version(&self) -> String {
        let minor = self.version.rsplit_once('.').map_or("", |(minor, _)| minor);
        let mark = if self.version.ends_with('t') { "t" } else { "" };
        format!("{minor}{mark}")
    }

    /// Writes it to `directory`, under a name made of its minor version.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, directory: &Path) -> io::Result<PathBuf> {
        let path = directory.join(format!("{}.frozen", self.minor_version()));
        let mut encoder = GzEncoder::new(File::create(&path)?, Compression::best());
        serde_json::to_writer(&mut encoder, self)?;
        encoder.finish()?;
        Ok(path)
    }
}

/// Where frozen processes are kept.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("frozen")
}

/// Every frozen process there is, in order of file name.
///
/// # Panics
/// When one cannot be read.
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
