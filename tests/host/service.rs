// SPDX-License-Identifier: MIT OR Apache-2.0

//! What `deploy/` offers to those who run the server as a service: the configuration file,
//! and the units of systemd.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use clap::Args as _;
use sampler_user::cli::arguments::serve::ServeArguments;
use sampler_user::cli::config::serve::ServeConfig;
use tempfile::TempDir;

/// Options that a configuration file cannot have.
const ONLY_GIVEN: [&str; 3] = ["config", "help", "version"];

/// The most that `systemd-analyze security` may find wrong, of 100: the rights that sampling
/// needs, and what they need in turn.
const EXPOSURE: &str = "30";

fn deployed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../deploy")
        .join(name)
}

/// Returns the options of the example as somebody would write them: without the `#` before
/// them.
fn options() -> Vec<String> {
    let text = fs::read_to_string(deployed("pyebpf.toml")).unwrap();
    let option = |line: &str| {
        let line = line.strip_prefix('#')?;
        line.starts_with(|it: char| it.is_ascii_lowercase())
            .then(|| line.to_owned())
    };
    text.lines().filter_map(option).collect()
}

/// Reads a configuration file as `pyebpf serve` does.
fn read(text: &str) -> ServeArguments {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("pyebpf.toml");
    fs::write(&path, text).unwrap();
    let words = [OsString::from("--config"), path.clone().into()];
    let given = ServeArguments {
        config: Some(path),
        ..ServeArguments::default()
    };
    let read = given.complete(&words);
    read.unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn the_example_of_a_configuration_has_every_option() {
    let command = ServeArguments::augment_args(clap::Command::new("serve"));
    let mut expected: Vec<_> = command
        .get_arguments()
        .filter_map(|argument| argument.get_long())
        .filter(|long| !ONLY_GIVEN.contains(long))
        .collect();
    let options = options();
    let mut found: Vec<_> = options
        .iter()
        .map(|line| line.split(" = ").next().unwrap())
        .collect();
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn every_option_of_the_example_is_valid() {
    for option in options() {
        read(&option);
    }
    // Processes are chosen either by number or by name.
    let is_pid = |option: &String| option.starts_with("pid = ");
    let (by_number, others): (Vec<_>, Vec<_>) = options().into_iter().partition(is_pid);
    ServeConfig::from_arguments(&read(&by_number.join("\n"))).unwrap();
    let config = ServeConfig::from_arguments(&read(&others.join("\n"))).unwrap();
    assert_eq!(config.listen.len(), 2);
    assert_eq!(config.allowed_hosts, ["web1.example.org"]);
}

#[test]
fn the_example_changes_nothing_and_says_the_defaults() {
    let text = fs::read_to_string(deployed("pyebpf.toml")).unwrap();
    let usual = ServeConfig::from_arguments(&read("")).unwrap();
    assert_eq!(ServeConfig::from_arguments(&read(&text)).unwrap(), usual);
    for key in [
        "hz",
        "mode",
        "max-cpu",
        "buffer",
        "keep",
        "max-disk",
        "state-dir",
    ] {
        let options = options();
        let option = options
            .iter()
            .find(|it| it.starts_with(&format!("{key} =")));
        let config = ServeConfig::from_arguments(&read(option.unwrap())).unwrap();
        assert_eq!(config, usual, "{key}");
    }
}

/// The units in a directory of their own, with a program that exists.
fn units() -> TempDir {
    let folder = TempDir::new().unwrap();
    let program = std::env::current_exe().unwrap();
    for name in ["pyebpf.service", "pyebpf.socket"] {
        let text = fs::read_to_string(deployed("systemd").join(name)).unwrap();
        let text = text.replace("/usr/bin/pyebpf", program.to_str().unwrap());
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// Runs `systemd-analyze`, which `cargo xtask test` finds or fetches.
fn analyze(folder: &Path, words: &[&str]) -> Output {
    let programs = std::env::var_os("PYEBPF_SYSTEMD").map(PathBuf::from);
    let programs = programs.expect("PYEBPF_SYSTEMD is set by cargo xtask test");
    Command::new(programs.join("systemd-analyze"))
        .args(words)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

#[test]
#[ignore = "needs the tools of systemd"]
fn systemd_understands_the_units() {
    let folder = units();
    let words = ["verify", "./pyebpf.service", "./pyebpf.socket"];
    let verified = analyze(folder.path(), &words);
    assert!(
        verified.status.success() && said(&verified).is_empty(),
        "{}",
        said(&verified)
    );
    let service = folder.path().join("pyebpf.service");
    let text = fs::read_to_string(&service).unwrap();
    fs::write(&service, text.replace("ProtectHome=", "ProtectHomes=")).unwrap();
    let verified = said(&analyze(folder.path(), &words));
    assert!(verified.contains("ProtectHomes"), "{verified}");
}

#[test]
#[ignore = "needs the tools of systemd"]
fn the_service_is_confined() {
    let folder = units();
    let judge = |threshold: &str| {
        let threshold = format!("--threshold={threshold}");
        let words = ["security", "--offline=true", "--no-pager", &threshold];
        analyze(folder.path(), &[&words[..], &["./pyebpf.service"]].concat())
    };
    let judged = judge(EXPOSURE);
    assert!(judged.status.success(), "{}", said(&judged));
    // Sampling cannot do without what is left.
    assert!(!judge("10").status.success());
}
