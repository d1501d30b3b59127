// SPDX-License-Identifier: MIT OR Apache-2.0

//! Files appear complete or not at all, on any system.

use super::stream::Stream;
use super::*;
use crate::platform::tempdir::tempdir;

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("is a directory");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("can be read").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn appears_whole_when_committed() {
    let directory = tempdir("portable-commit");
    let path = directory.join("trace.json");
    fs::write(&path, "old").expect("can be written");
    let mut file = OutputFile::create(&path, Owner).expect("is created");
    file.write_all(b"new").expect("is written");
    assert_eq!(fs::read(&path).expect("is there"), b"old");
    assert_eq!(names(&directory).len(), 2);
    file.commit().expect("is committed");
    assert_eq!(fs::read(&path).expect("is there"), b"new");
    assert_eq!(names(&directory), ["trace.json"]);
    #[cfg(unix)]
    {
        let status = fs::metadata(&path).expect("is there");
        let mode = std::os::unix::fs::MetadataExt::mode(&status);
        assert_eq!(mode & 0o777, 0o600);
    }
    fs::remove_dir_all(directory).expect("is removed");
}

#[test]
fn leaves_nothing_when_dropped() {
    let directory = tempdir("portable-drop");
    let path = directory.join("trace.json");
    let mut file = OutputFile::create(&path, Owner).expect("is created");
    file.write_all(b"new").expect("is written");
    drop(file);
    assert!(names(&directory).is_empty());
    fs::remove_dir_all(directory).expect("is removed");
}

#[test]
fn leaves_nothing_when_it_cannot_be_committed() {
    let directory = tempdir("portable-lost");
    let path = directory.join("trace.json");
    let file = OutputFile::create(&path, Owner).expect("is created");
    fs::create_dir(&path).expect("is made");
    let lost = file.commit().expect_err("a directory is in its place");
    assert!(lost.to_string().contains("trace.json"), "{lost}");
    assert_eq!(names(&directory), ["trace.json"]);
    fs::remove_dir_all(directory).expect("is removed");
}

#[test]
fn refuses_what_is_no_ordinary_file() {
    let directory = tempdir("portable-refuse");
    let refused = OutputFile::create(&directory, Owner).expect_err("is a directory");
    let message = refused.to_string();
    assert!(message.contains("a directory") && message.contains("- for standard output"));
    for path in ["", "/", "..", "new/"] {
        let refused = OutputFile::create(Path::new(path), Owner);
        assert!(
            matches!(refused, Err(OutfileError::NoName { .. })),
            "{path}: {refused:?}"
        );
    }
    let victim = directory.join("victim");
    fs::write(&victim, "precious").expect("can be written");
    for path in [directory.join("no/such/file"), victim.join("file")] {
        let refused = OutputFile::create(&path, Owner);
        assert!(
            matches!(refused, Err(OutfileError::NoDirectory { .. })),
            "{path:?}: {refused:?}"
        );
    }
    assert_eq!(fs::read(&victim).expect("is there"), b"precious");
    assert_eq!(names(&directory), ["victim"]);
    fs::remove_dir_all(directory).expect("is removed");
}

#[cfg(unix)]
#[test]
fn a_link_planted_later_is_replaced_and_not_followed() {
    use std::os::unix::fs::symlink;
    let directory = tempdir("portable-link");
    let victim = directory.join("victim");
    fs::write(&victim, "precious").expect("can be written");
    let path = directory.join("trace.json");
    let mut file = OutputFile::create(&path, Owner).expect("is created");
    symlink(&victim, &path).expect("is made");
    let refused = OutputFile::create(&path, Owner).expect_err("is a link");
    assert!(refused.to_string().contains("a symbolic link"));
    file.write_all(b"new").expect("is written");
    file.commit().expect("is committed");
    assert_eq!(fs::read(&victim).expect("is there"), b"precious");
    assert_eq!(fs::read(&path).expect("is there"), b"new");
    fs::remove_dir_all(directory).expect("is removed");
}

#[test]
fn the_null_device_is_opened_and_a_name_is_not() {
    let at = |path: &str| Stream::at(Path::new(path), &Owner);
    let null = if cfg!(windows) { "nul" } else { "/dev/null" };
    let opened = at(null);
    assert!(matches!(opened, Ok(Some(Stream::Open(_)))), "{opened:?}");
    for path in ["new.json", "no/such/file", "-", "/dev"] {
        assert!(matches!(at(path), Ok(None)), "{path}");
    }
    if cfg!(unix) {
        for path in ["/dev/stdout", "/dev/fd/1"] {
            assert!(matches!(at(path), Ok(Some(Stream::Standard))), "{path}");
        }
        assert!(at("/dev/fd/12345").is_err(), "is not open");
    }
}
