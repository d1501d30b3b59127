// SPDX-License-Identifier: MIT OR Apache-2.0

//! Drops the privileges that a recording does not need once it runs. It keeps those that
//! its threads have still to take up.

use std::io;
use std::path::PathBuf;

use nix::unistd::Uid;
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_keep_capabilities, set_no_new_privs,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};
use sampler_cpython::process::fs_credentials::set_groups;

use crate::platform::privileges::role::Role;
use crate::platform::privileges::{Owner, UserAccount};

/// What must go on working.
pub struct Retained<'a> {
    /// Tells whether the maps of the eBPF program can be used with the capabilities in
    /// effect.
    pub maps_work: &'a dyn Fn() -> bool,
    /// The directories in which files are still to be written.
    pub directories: &'a [PathBuf],
}

/// Makes this thread, and those that it starts, run as `owner`. Executing a program gives
/// them no new rights, and no capability is in effect until a thread takes it up by its
/// [`Role`], apart from those below.
///
/// * As root through sudo, the thread becomes the caller of sudo altogether.
/// * As root without sudo, it stays root, but only as the owner of root's files.
///   `CAP_DAC_OVERRIDE` stays only if a file is to be written where such a root may not.
/// * `CAP_BPF` stays only if this kernel requires it for every use of a map (before 6.0,
///   with `kernel.unprivileged_bpf_disabled`).
///
/// # Errors
/// The kernel's error. Some rights may be gone by then, and none has been added.
pub fn drop_privileges(owner: &Owner, kept: &Retained<'_>) -> io::Result<()> {
    let may_have = capabilities(None)?.permitted;
    // Kernels before 4.3 have no ambient set.
    let _ = clear_ambient_capability_set();
    shrink_bounding_set(may_have);
    if let Some(account) = owner.account() {
        become_account(account)?;
    }
    set_no_new_privs(true)?;
    let to_hand_on = to_hand_on();
    let if_needed = CapabilitySet::BPF | CapabilitySet::DAC_OVERRIDE;
    keep(CapabilitySet::empty(), may_have & (to_hand_on | if_needed))?;
    let mut in_effect = CapabilitySet::empty();
    if !(kept.maps_work)() {
        in_effect |= CapabilitySet::BPF;
    }
    if Uid::effective().is_root() && !kept.directories.iter().all(may_write_in) {
        in_effect |= CapabilitySet::DAC_OVERRIDE;
    }
    let in_effect = in_effect & may_have;
    keep(in_effect, in_effect | may_have & to_hand_on)
}

/// Makes this thread, and those that it starts, run without any capability. Executing a
/// program gives them no new rights.
///
/// # Errors
/// The kernel's error. Some rights may be gone by then, and none has been added.
pub fn drop_all_privileges() -> io::Result<()> {
    // Kernels before 4.3 have no ambient set.
    let _ = clear_ambient_capability_set();
    shrink_bounding_set(capabilities(None)?.permitted);
    set_no_new_privs(true)?;
    keep(CapabilitySet::empty(), CapabilitySet::empty())
}

/// Returns the capabilities that other threads may still take up.
fn to_hand_on() -> CapabilitySet {
    let roles = [Role::Inspector, Role::Sources, Role::Clocks];
    roles.map(Role::needs).into_iter().collect()
}

fn keep(effective: CapabilitySet, permitted: CapabilitySet) -> io::Result<()> {
    let sets = CapabilitySets {
        effective,
        permitted,
        inheritable: CapabilitySet::empty(),
    };
    Ok(set_capabilities(None, sets)?)
}

/// Empties the bounding set, so that no executed program could have these capabilities.
/// None is executed, but this costs nothing. It is not allowed without `CAP_SETPCAP`,
/// which is of no consequence: no executed program gets any rights.
fn shrink_bounding_set(may_have: CapabilitySet) {
    if !may_have.contains(CapabilitySet::SETPCAP) {
        return;
    }
    for number in 0..u64::BITS {
        let one = CapabilitySet::from_bits_retain(1 << number);
        if remove_capability_from_bounding_set(one).is_err() {
            // Beyond the last capability that this kernel knows.
            return;
        }
    }
}

/// Changes only this thread: the others drop their own privileges, and may lack the
/// rights to follow.
fn become_account(account: &UserAccount) -> io::Result<()> {
    use rustix::thread::{Gid, Uid};
    let (user, group) = (
        Uid::from_raw(account.uid.as_raw()),
        Gid::from_raw(account.gid.as_raw()),
    );
    set_keep_capabilities(true)?;
    if !set_groups(&account.groups) {
        // Without CAP_SETGID this fails as well, and returns the reason.
        set_thread_groups(&[group])?;
    }
    set_thread_res_gid(group, group, group)?;
    set_thread_res_uid(user, user, user)?;
    set_keep_capabilities(false)?;
    Ok(())
}

/// Whether files can be created there with the capabilities in effect; false where the
/// kernel does not tell (before 5.8).
fn may_write_in(directory: &PathBuf) -> bool {
    let access = Access::WRITE_OK | Access::EXEC_OK;
    accessat(CWD, directory, access, AtFlags::EACCESS).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::privileges::tests::nobody;

    /// Drops privileges in a thread of its own; returns the effective and permitted sets
    /// that it then has.
    fn shedding(owner: Owner, maps_work: bool, directory: &'static str) -> [CapabilitySet; 2] {
        let thread = std::thread::spawn(move || {
            let kept = Retained {
                maps_work: &|| maps_work,
                directories: &[directory.into()],
            };
            drop_privileges(&owner, &kept).expect("less is always allowed");
            let now = capabilities(None).expect("ours");
            assert!(rustix::thread::no_new_privs().expect("known"));
            [now.effective, now.permitted]
        });
        thread.join().expect("it does not panic")
    }

    #[test]
    fn nothing_is_in_effect_and_little_is_left() {
        let before = capabilities(None).expect("ours").permitted;
        let [effective, permitted] = shedding(Owner::ourselves(), true, "/");
        let most = to_hand_on();
        assert_eq!(effective, CapabilitySet::empty());
        assert_eq!(permitted, most & before);
    }

    /// Tests that act as several users: `cargo xtask test` runs them as root.
    mod as_root {
        use super::*;

        #[test]
        #[ignore = "needs root"]
        fn what_is_needed_stays() {
            let [effective, _] = shedding(Owner::ourselves(), false, "/");
            let before = capabilities(None).expect("ours").permitted;
            assert_eq!(effective, CapabilitySet::BPF & before);
        }

        #[test]
        #[ignore = "needs root"]
        fn a_caller_of_sudo_is_what_it_becomes() {
            std::thread::spawn(|| {
                let kept = Retained {
                    maps_work: &|| true,
                    directories: &[],
                };
                let owner = Owner::account_of(nobody());
                drop_privileges(&owner, &kept).expect("root may");
                assert!(std::fs::File::open("/etc/shadow").is_err());
                assert!(owner.act().expect("it is that account").is_none());
                let own = rustix::thread::Uid::from_raw(0);
                assert!(set_thread_res_uid(own, own, own).is_err(), "the way back");
                // What other threads are to be given is still there.
                std::thread::spawn(|| {
                    Role::Inspector.apply().expect("less is always allowed");
                    let before = capabilities(None).expect("ours").effective;
                    assert!(before.contains(CapabilitySet::SYS_PTRACE));
                })
                .join()
                .expect("it does not panic");
            })
            .join()
            .expect("it does not panic");
        }
    }
}
