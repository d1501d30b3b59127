// SPDX-License-Identifier: MIT OR Apache-2.0

//! A private apt state, beside the host's, that downloads packages of any Debian suite.
//! It never installs anything on the host.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::process;

const KEYRINGS: [&str; 2] = [
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
];

/// Prefixes of the host's apt settings that a download needs: proxies, certificates,
/// retries.
const KEPT_SETTINGS: [&str; 3] = ["Acquire::http::", "Acquire::https::", "Acquire::Retries"];

/// A private apt state for one suite of Debian.
pub(crate) struct PrivateApt {
    directory: PathBuf,
    configuration: PathBuf,
}

impl PrivateApt {
    /// Creates the state below `directory` and reads the suite's package list.
    pub(crate) fn new(directory: &Path, suite: &str) -> anyhow::Result<Self> {
        Self::of_kind("deb", directory, suite)
    }

    /// Like [`PrivateApt::new`], for source packages.
    pub(crate) fn with_sources(directory: &Path, suite: &str) -> anyhow::Result<Self> {
        Self::of_kind("deb-src", directory, suite)
    }

    fn of_kind(kind: &str, directory: &Path, suite: &str) -> anyhow::Result<Self> {
        let mirror = host_mirror()
            .context("the host's apt sources name no Debian mirror; another distribution?")?;
        let keyring = KEYRINGS
            .into_iter()
            .find(|path| Path::new(path).is_file())
            .context("no Debian keyring: sudo apt-get install debian-archive-keyring")?;
        let architecture = process::read(Command::new("dpkg").arg("--print-architecture"))?;
        let architecture = architecture.trim();
        for part in [
            "etc/preferences.d",
            "etc/apt.conf.d",
            "state/lists/partial",
            "cache/archives/partial",
        ] {
            fs::create_dir_all(directory.join(part))?;
        }
        fs::write(directory.join("status"), "")?;
        fs::write(
            directory.join("etc/sources.list"),
            format!("{kind} [signed-by={keyring} arch={architecture}] {mirror} {suite} main\n"),
        )?;
        let configuration = directory.join("apt.conf");
        fs::write(&configuration, settings(directory, architecture)?)?;
        let apt = Self {
            directory: directory.to_owned(),
            configuration,
        };
        process::run(apt.command("apt-get").args(["update", "--quiet=2"]))?;
        Ok(apt)
    }

    /// Returns the names of the suite's packages that begin with `prefix`.
    pub(crate) fn names(&self, prefix: &str) -> anyhow::Result<Vec<String>> {
        let names = process::read(self.command("apt-cache").args(["pkgnames", prefix]))?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// Downloads `packages` with all their dependencies, and returns the files.
    pub(crate) fn download(&self, packages: &[String]) -> anyhow::Result<Vec<PathBuf>> {
        process::run(
            self.command("apt-get")
                .args(["install", "--yes", "--quiet=2", "--download-only"])
                .arg("--no-install-recommends")
                .args(packages)
                .stdout(std::process::Stdio::null()),
        )?;
        let archives = self.directory.join("cache/archives");
        let mut files = Vec::new();
        for entry in fs::read_dir(archives)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "deb") {
                files.push(path);
            }
        }
        Ok(files)
    }

    /// Downloads `package` without its dependencies, and returns the file.
    pub(crate) fn download_alone(&self, package: &str) -> anyhow::Result<PathBuf> {
        let directory = self.directory.join("alone").join(package);
        fs::create_dir_all(&directory)?;
        let mut command = self.command("apt-get");
        command.args(["download", "--quiet=2", package]);
        process::run(command.current_dir(&directory))?;
        let file = fs::read_dir(&directory)?.flatten().next();
        Ok(file
            .with_context(|| format!("no file of {package}"))?
            .path())
    }

    /// Downloads the source of `package`, without Debian's changes, and returns the
    /// archive.
    pub(crate) fn source(&self, package: &str) -> anyhow::Result<PathBuf> {
        let directory = self.directory.join("source");
        fs::create_dir_all(&directory)?;
        let mut command = self.command("apt-get");
        command.args(["source", "--download-only", "--quiet=2", package]);
        process::run(command.current_dir(&directory))?;
        let mut files = fs::read_dir(&directory)?.flatten().map(|file| file.path());
        let is_original = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.contains(".orig.tar.") && !name.ends_with(".asc")
        };
        files
            .find(is_original)
            .with_context(|| format!("no archive of the source of {package}"))
    }

    /// Returns the packages that `package` depends on and whose names begin with
    /// `prefix`.
    pub(crate) fn dependencies(&self, package: &str, prefix: &str) -> anyhow::Result<Vec<String>> {
        let mut command = self.command("apt-cache");
        let text = process::read(command.args(["depends", "--important", package]))?;
        let needed = text.lines().filter_map(|line| {
            let name = line
                .trim()
                .trim_start_matches('|')
                .strip_prefix("Depends: ")?;
            name.starts_with(prefix).then(|| name.to_owned())
        });
        Ok(needed.collect())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("APT_CONFIG", &self.configuration)
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    }
}

fn settings(directory: &Path, architecture: &str) -> anyhow::Result<String> {
    let path = directory.to_str().context("the cache's path is no UTF-8")?;
    if path.contains(['"', '\\']) {
        bail!("apt cannot use a cache whose path has quotes or backslashes: {path}");
    }
    let mut text = String::new();
    let host = process::read(Command::new("apt-config").arg("dump"))?;
    for line in host
        .lines()
        .filter(|line| KEPT_SETTINGS.iter().any(|kept| line.starts_with(kept)))
    {
        text.push_str(line);
        text.push('\n');
    }
    // Signatures are checked. Dates are not: even a mirror that is no longer updated,
    // or a host whose clock is wrong, gives a Python to test with.
    text.push_str(&format!(
        "Dir \"{path}\";\n\
         Dir::State \"{path}/state\";\n\
         Dir::State::status \"{path}/status\";\n\
         Dir::Cache \"{path}/cache\";\n\
         Dir::Etc \"{path}/etc\";\n\
         APT::Architecture \"{architecture}\";\n\
         APT::Architectures {{ \"{architecture}\"; }};\n\
         APT::Sandbox::User \"\";\n\
         Acquire::Languages \"none\";\n\
         Acquire::Check-Valid-Until \"false\";\n\
         Acquire::Check-Date \"false\";\n"
    ));
    Ok(text)
}

/// Returns the Debian mirror that the host itself uses.
fn host_mirror() -> Option<String> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(entries.flatten().map(|entry| entry.path()));
    }
    files.sort();
    files
        .iter()
        .find_map(|file| fs::read_to_string(file).ok().and_then(|text| mirror(&text)))
}

/// Returns the first address in an apt sources file, of either style, that ends like
/// the address of a Debian archive.
fn mirror(sources: &str) -> Option<String> {
    sources
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("deb ") || line.starts_with("URIs:"))
        .flat_map(str::split_whitespace)
        .find(|word| word.contains("://") && word.trim_end_matches('/').ends_with("/debian"))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::mirror;

    #[test]
    fn the_mirror_is_found_in_both_styles_of_sources() {
        let list = "# deb http://old.example/debian stable main\n\
                    deb [arch=amd64] http://mirror.example/debian stable main\n";
        assert_eq!(
            mirror(list).as_deref(),
            Some("http://mirror.example/debian")
        );
        let fields = "Types: deb\nURIs: http://mirror.example/debian/\nSuites: stable\n";
        assert_eq!(
            mirror(fields).as_deref(),
            Some("http://mirror.example/debian/")
        );
    }

    #[test]
    fn another_archive_is_not_taken_for_debian() {
        assert_eq!(
            mirror("deb http://mirror.example/debian-security stable main\n"),
            None
        );
        assert_eq!(
            mirror("deb http://mirror.example/ubuntu noble main\n"),
            None
        );
    }
}
