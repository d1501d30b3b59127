// SPDX-License-Identifier: MIT OR Apache-2.0

//! Checks exported files with the programs that people open them with, as far as
//! package registries have these. What to check in each format is in `tests/readers`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::process::{self, probe, say};
use crate::tally::TestCounts;
use crate::workspace::Workspace;

/// The traces that are converted: the name of each, and its file in the clone.
const TRACES: [(&str, &str); 3] = [
    ("wall", "tests/golden/wall.json"),
    ("cpu", "tests/golden/by_thread.json"),
    ("hostile", "tests/readers/hostile.json"),
];

/// File name extensions of the formats that are read.
const ENDINGS: [&str; 7] = [
    "folded",
    "svg",
    "flamechart.svg",
    "speedscope.json",
    "firefox.json",
    "chrome.json",
    "pb.gz",
];

/// The programs that the readers need, the arguments that show whether each works, and
/// where to get it.
const NEEDED: [(&str, &[&str], &str); 3] = [
    ("node", &["--version"], "Debian's nodejs"),
    ("npm", &["--version"], "Debian's npm"),
    (
        "python3",
        &["-m", "pip", "--version"],
        "Debian's python3-pip",
    ),
];

/// The installed readers.
pub(crate) struct Readers {
    modules: PathBuf,
    site: PathBuf,
}

impl Readers {
    /// Finds the readers in the target directory, or installs them there.
    pub(crate) fn find_or_install(workspace: &Workspace) -> anyhow::Result<Self> {
        for (program, arguments, package) in NEEDED {
            if probe(Command::new(program).args(arguments)).is_none() {
                let line = [&[program], arguments].concat().join(" ");
                anyhow::bail!(
                    "`{line}` does not work, so no file was read by speedscope, the Firefox \
                     Profiler, Perfetto, a parser of pprof's schema or of XML; install {package}"
                );
            }
        }
        let source = workspace.root.join("tests/readers");
        let directory = workspace.target.join("tools/readers");
        let readers = Self {
            modules: directory.join("node_modules"),
            site: directory.join("site"),
        };
        let wanted = wanted(&source)?;
        let done = directory.join("installed");
        if fs::read_to_string(&done).is_ok_and(|found| found == wanted) {
            return Ok(readers);
        }
        say("installing foreign readers of our formats into target/tools/readers");
        fs::create_dir_all(&directory)?;
        for file in ["package.json", "package-lock.json"] {
            fs::copy(source.join(file), directory.join(file))?;
        }
        let mut npm = Command::new("npm");
        npm.args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ]);
        process::run(npm.current_dir(&directory)).context(UNREACHABLE)?;
        let mut pip = Command::new("python3");
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]);
        pip.args(["--no-deps", "--upgrade", "--target"]);
        pip.arg(&readers.site);
        pip.arg("--requirement")
            .arg(source.join("requirements.txt"));
        process::run(&mut pip).context(UNREACHABLE)?;
        fs::write(&done, wanted)?;
        Ok(readers)
    }

    /// Converts the traces to every format and has the readers read them.
    pub(crate) fn check(&self, workspace: &Workspace, binary: &Path) -> anyhow::Result<TestCounts> {
        let directory = workspace.target.join("readers");
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        fs::create_dir_all(&directory)?;
        for (name, source) in TRACES {
            let timeline = directory.join(format!("{name}.json"));
            convert(binary, &workspace.root.join(source), &timeline)?;
            for ending in ENDINGS {
                convert(
                    binary,
                    &timeline,
                    &directory.join(format!("{name}.{ending}")),
                )?;
            }
        }
        let mut counts = TestCounts::default();
        let mut node = Command::new("node");
        node.arg("--test-reporter=tap")
            .arg(workspace.root.join("tests/readers/check.mjs"))
            .args([&self.modules, &self.site, &directory]);
        let succeeded = process::run_reading(&mut node, |line| counts.read_tap(line))?;
        if !succeeded && counts.failed == 0 {
            anyhow::bail!("`{}` failed outside its tests", process::describe(&node));
        }
        Ok(counts)
    }
}

const UNREACHABLE: &str = "the foreign readers cannot be installed, so no file was read by them";

/// Returns what should be installed, to be compared with what is.
fn wanted(source: &Path) -> anyhow::Result<String> {
    let mut wanted = String::new();
    for file in ["package-lock.json", "requirements.txt"] {
        let path = source.join(file);
        let text = fs::read_to_string(&path);
        wanted += &text.with_context(|| format!("cannot read {}", path.display()))?;
    }
    Ok(wanted)
}

fn convert(binary: &Path, from: &Path, to: &Path) -> anyhow::Result<()> {
    let mut command = Command::new(binary);
    process::run(command.arg("convert").arg(from).arg("-o").arg(to))
}
