// SPDX-License-Identifier: MIT OR Apache-2.0

//! Whose rights count, and what other tests need to act for another user.

use super::*;
use crate::platform::tempdir::tempdir;

/// The account `nobody`, with `/` as its home; tests act for it.
pub(crate) fn nobody() -> UserAccount {
    UserAccount {
        uid: Uid::from_raw(65534),
        gid: Gid::from_raw(65534),
        groups: vec![Gid::from_raw(65534)],
        name: Some("nobody".to_owned()),
        home: PathBuf::from("/"),
    }
}

/// Whether this test may act for other users; if not, it checks less and says so.
pub(crate) fn is_root() -> bool {
    let root = Uid::effective().is_root();
    if !root {
        eprintln!("not root: what needs another account is not checked");
    }
    root
}

fn variables(effective: u32, pairs: &[(&str, &str)]) -> Result<Owner, PrivilegeError> {
    Owner::from_variables(Uid::from_raw(effective), |wanted| {
        let found = pairs.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, value)| OsString::from(value))
    })
}

#[test]
fn sudo_counts_only_for_root() {
    let sudo = [("SUDO_UID", "4000000"), ("SUDO_GID", "4000001")];
    let owner = variables(0, &sudo).expect("is valid");
    let account = owner.account().expect("an account");
    assert_eq!(
        (account.uid.as_raw(), account.gid.as_raw()),
        (4_000_000, 4_000_001)
    );
    assert_eq!(account.groups, [Gid::from_raw(4_000_001)]);
    assert_eq!((&account.name, account.home.to_str()), (&None, Some("/")));
    assert_eq!(
        variables(1000, &sudo).expect("is valid"),
        Owner::ourselves()
    );
    assert_eq!(variables(0, &[]).expect("is valid"), Owner::ourselves());
    assert_eq!(
        variables(0, &[("SUDO_UID", "0")]).expect("is valid"),
        Owner::ourselves()
    );
}

#[test]
fn nonsense_from_sudo_is_refused() {
    for value in ["", "x", "-1", "4294967295", "99999999999"] {
        let refused = variables(0, &[("SUDO_UID", value)]);
        assert!(
            matches!(refused, Err(PrivilegeError::NoId { .. })),
            "{value}"
        );
    }
    let refused = variables(0, &[("SUDO_UID", "4000000")]);
    assert!(matches!(refused, Err(PrivilegeError::NoGroup { .. })));
}

/// Tests that act as several users: `cargo xtask test` runs them as root.
mod as_root {
    use super::*;

    #[test]
    #[ignore = "needs root"]
    fn acting_takes_rights_away_and_gives_them_back() {
        let directory = tempdir("acting");
        let secret = directory.join("secret");
        std::fs::write(&secret, "x").expect("root writes");
        std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .expect("root changes modes");
        let owner = Owner::account_of(nobody());
        let acting = owner.act().expect("root may act for nobody");
        let denied = std::fs::read(&secret).expect_err("nobody reads no secret");
        assert_eq!(denied.kind(), std::io::ErrorKind::PermissionDenied);
        drop(acting);
        assert_eq!(std::fs::read(&secret).expect("root again"), b"x");
        std::fs::remove_dir_all(directory).expect("is removed");
    }
}
