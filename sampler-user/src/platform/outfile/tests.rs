// SPDX-License-Identifier: MIT OR Apache-2.0

//! Files appear complete or not at all, and nobody can redirect what root writes.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::visible::VisibleFile;
use super::*;
use crate::platform::privileges::tests::{is_root, nobody};
use crate::platform::tempdir::tempdir;

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("is a directory");
    let mut names: Vec<_> = entries
        .map(|entry| {
            entry
                .expect("can be read")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

fn create(path: &Path) -> Result<OutputFile, OutfileError> {
    OutputFile::create(path, Owner::ourselves())
}

#[test]
fn appears_whole_when_committed() {
    let directory = tempdir("commit");
    let path = directory.join("trace.json");
    fs::write(&path, "old").expect("can be written");
    let mut file = create(&path).expect("is created");
    file.write_all(b"XXw").expect("is written");
    file.rewind().expect("can seek");
    file.write_all(b"ne").expect("is written");
    assert_eq!(fs::read(&path).expect("is there"), b"old");
    file.commit().expect("is committed");
    assert_eq!(fs::read(&path).expect("is there"), b"new");
    assert_eq!(
        fs::metadata(&path).expect("is there").permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(names(&directory), ["trace.json"]);
    fs::remove_dir_all(directory).expect("is removed");
}

#[test]
fn leaves_nothing_when_dropped() {
    let directory = tempdir("drop");
    let path = directory.join("trace.json");
    fs::write(&path, "old").expect("can be written");
    let mut file = create(&path).expect("is created");
    file.write_all(b"new").expect("is written");
    assert_eq!(names(&directory).len(), 2);
    drop(file);
    assert_eq!(names(&directory), ["trace.json"]);
    assert_eq!(fs::read(&path).expect("is there"), b"old");
    fs::remove_dir_all(directory).expect("is removed");
}

#[test]
fn refuses_what_is_no_ordinary_file() {
    let directory = tempdir("refuse");
    let victim = directory.join("victim");
    fs::write(&victim, "precious").expect("can be written");
    let link = directory.join("link.json");
    symlink(&victim, &link).expect("is made");
    for (path, what) in [
        (link, "a symbolic link"),
        (directory.clone(), "a directory"),
        (PathBuf::from("/dev/null"), "a device"),
    ] {
        for refused in [
            create(&path).map(drop),
            VisibleFile::create(&path, Owner::ourselves()).map(drop),
        ] {
            let message = refused.expect_err("is refused").to_string();
            assert!(message.contains(what) && message.contains("- for standard output"));
        }
    }
    for path in ["", "/", "..", "new/"] {
        let refused = create(Path::new(path));
        assert!(
            matches!(refused, Err(OutfileError::NoName { .. })),
            "{path}: {refused:?}"
        );
    }
    let refused = create(&directory.join("no/such/file"));
    assert!(matches!(refused, Err(OutfileError::NoDirectory { .. })));
    let refused = create(&victim.join("file"));
    assert!(matches!(refused, Err(OutfileError::NoDirectory { .. })));
    assert_eq!(fs::read(&victim).expect("is there"), b"precious");
    assert_eq!(names(&directory), ["link.json", "victim"]);
    fs::remove_dir_all(directory).expect("is removed");
}

#[test]
fn a_link_planted_later_is_replaced_and_not_followed() {
    let directory = tempdir("planted");
    let victim = directory.join("victim");
    fs::write(&victim, "precious").expect("can be written");
    let path = directory.join("trace.json");
    let mut file = create(&path).expect("is created");
    symlink(&victim, &path).expect("is made");
    file.write_all(b"new").expect("is written");
    file.commit().expect("is committed");
    assert_eq!(fs::read(&victim).expect("is there"), b"precious");
    assert!(fs::symlink_metadata(&path).expect("is there").is_file());
    fs::remove_dir_all(directory).expect("is removed");
}

#[test]
fn a_visible_file_stays_and_can_be_read_while_written() {
    let directory = tempdir("visible");
    let path = directory.join("trace.pyebpf");
    fs::write(&path, "old").expect("can be written");
    let mut file = VisibleFile::create(&path, Owner::ourselves()).expect("is created");
    file.write_all(b"segment").expect("is written");
    file.sync().expect("is synced");
    let mut content = String::new();
    io::Read::read_to_string(&mut file.reader().expect("opens"), &mut content).expect("reads");
    assert_eq!(content, "segment");
    drop(file);
    assert_eq!(fs::read(&path).expect("stays"), b"segment");
    assert_eq!(names(&directory), ["trace.pyebpf"]);
    fs::remove_dir_all(directory).expect("is removed");
}

#[test]
fn a_working_file_never_replaces_an_older_one() {
    let directory = tempdir("working");
    let output = directory.join("trace.json");
    let first = VisibleFile::create_working(&output, Owner::ourselves()).expect("is created");
    let second = VisibleFile::create_working(&output, Owner::ourselves()).expect("is created");
    assert_eq!(
        names(&directory),
        ["trace.json.2.pyebpf", "trace.json.pyebpf"]
    );
    assert_eq!(second.path(), directory.join("trace.json.2.pyebpf"));
    second.remove().expect("is removed");
    first.remove().expect("is removed");
    assert!(names(&directory).is_empty());
    fs::remove_dir_all(directory).expect("is removed");
}

#[test]
fn a_full_disk_is_named_with_its_remedy() {
    let directory = tempdir("full");
    let mounted = is_root()
        && std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
            .arg(&directory)
            .status()
            .is_ok_and(|status| status.success());
    let path = directory.join("trace.json");
    let error = if mounted {
        let mut file = create(&path).expect("is created");
        let error = file.write_all(&[0; 1 << 17]).expect_err("there is no room");
        drop(file);
        assert!(names(&directory).is_empty());
        let status = std::process::Command::new("umount")
            .arg(&directory)
            .status();
        assert!(status.expect("umount runs").success());
        error
    } else {
        eprintln!("no file system of our own: the kernel's error is taken from /dev/full");
        let mut full = File::options()
            .write(true)
            .open("/dev/full")
            .expect("opens");
        OutfileError::explain(&path, full.write_all(b"x").expect_err("is full"))
    };
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    let message = error.to_string();
    assert!(
        message.contains("trace.json") && message.contains("free some"),
        "{message}"
    );
    fs::remove_dir(directory).expect("is removed");
}

/// Tests that act as several users: `cargo xtask test` runs them as root.
mod as_root {
    use super::*;

    #[test]
    #[ignore = "needs root"]
    fn belongs_to_the_caller_of_sudo() {
        let directory = tempdir("owner");
        let path = directory.join("trace.json");
        let owner = Owner::account_of(nobody());
        let refused = OutputFile::create(&path, owner.clone()).expect_err("root's directory");
        let message = refused.to_string();
        assert!(
            message.contains("user 65534, who called sudo, may not"),
            "{message}"
        );
        std::os::unix::fs::chown(&directory, Some(65534), Some(65534)).expect("root may");
        let mut file = OutputFile::create(&path, owner.clone()).expect("is created");
        file.write_all(b"x").expect("is written");
        file.commit().expect("is committed");
        let visible = VisibleFile::create_working(&path, owner).expect("is created");
        for path in [&path, visible.path()] {
            let status = fs::metadata(path).expect("is there");
            assert_eq!((status.uid(), status.gid()), (65534, 65534));
        }
        fs::remove_dir_all(directory).expect("is removed");
    }

    #[test]
    #[ignore = "needs root"]
    fn a_linked_directory_gives_no_more_than_the_callers_rights() {
        let home = tempdir("home");
        let system = tempdir("system");
        std::os::unix::fs::chown(&home, Some(65534), Some(65534)).expect("root may");
        symlink(&system, home.join("traces")).expect("is made");
        let path = home.join("traces/trace.json");
        for refused in [
            OutputFile::create(&path, Owner::account_of(nobody())).map(drop),
            VisibleFile::create(&path, Owner::account_of(nobody())).map(drop),
            VisibleFile::create_working(&path, Owner::account_of(nobody())).map(drop),
        ] {
            assert!(
                matches!(refused, Err(OutfileError::NotAllowed { .. })),
                "{refused:?}"
            );
        }
        assert!(names(&system).is_empty());
        fs::remove_dir_all(home).expect("is removed");
        fs::remove_dir_all(system).expect("is removed");
    }
}
