//! Sheds what a recording does not need once it runs. It refuses to know what it
//! records, and to keep more than other threads are still to be given.

use std::io;
use std::path::PathBuf;

use nix::unistd::Uid;
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_keep_capabilities, set_no_new_privs,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use super::borrowed::set_groups;
use super::{Account, Owner, Role};

/// What is to go on working.
pub struct Kept<'a> {
    /// Tells whether the maps of the kernel side can be used now.
    pub maps_work: &'a dyn Fn() -> bool,
    /// Where files are still to be written.
    pub directories: &'a [PathBuf],
}

/// From now on this thread, and those that it starts, run as `owner`, can be
/// given no new rights by any program, and have no capability in effect that they
/// have not taken up by their [`Role`].
///
/// * As root through sudo, it becomes the caller of sudo altogether.
/// * As root without, it stays root, but as one who is owner of root's files and
///   no more. `CAP_DAC_OVERRIDE` stays only if a file is to be written where
///   such a root may not.
/// * `CAP_BPF` stays only if this kernel asks for it at every use of a map (before
///   6.0, with `kernel.unprivileged_bpf_disabled`).
///
/// # Errors
/// What the kernel said. Some rights may be gone then, and none has been added.
pub fn shed(owner: &Owner, kept: &Kept<'_>) -> io::Result<()> {
    let may_have = capabilities(None)?.permitted;
    // Kernels before 4.3 have no ambient set.
    let _ = clear_ambient_capability_set();
    shrink_bounding_set(may_have);
    if let Some(account) = owner.account() {
        become_account(account)?;
    }
    set_no_new_privs(true)?;
    let to_hand_on = Role::Looking.needs() | Role::Sources.needs();
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

fn keep(effective: CapabilitySet, permitted: CapabilitySet) -> io::Result<()> {
    let sets = CapabilitySets {
        effective,
        permitted,
        inheritable: CapabilitySet::empty(),
    };
    Ok(set_capabilities(None, sets)?)
}

/// No program that is executed could have them; none is, but this costs nothing.
/// Not allowed without `CAP_SETPCAP`, and then of no consequence: no program that
/// is executed gets any rights.
fn shrink_bounding_set(may_have: CapabilitySet) {
    if !may_have.contains(CapabilitySet::SETPCAP) {
        return;
    }
    for number in 0..u64::BITS {
        let one = CapabilitySet::from_bits_retain(1 << number);
        if remove_capability_from_bounding_set(one).is_err() {
            // Behind the last one that this kernel knows.
            return;
        }
    }
}

/// Only this thread: others that are there look after themselves, and may lack
/// the rights to follow.
fn become_account(account: &Account) -> io::Result<()> {
    use rustix::thread::{Gid, Uid};
    let (user, group) = (
        Uid::from_raw(account.uid.as_raw()),
        Gid::from_raw(account.gid.as_raw()),
    );
    set_keep_capabilities(true)?;
    if !set_groups(&account.groups) {
        // Without CAP_SETGID this fails with the reason.
        set_thread_groups(&[group])?;
    }
    set_thread_res_gid(group, group, group)?;
    set_thread_res_uid(user, user, user)?;
    set_keep_capabilities(false)?;
    Ok(())
}

/// Whether files can be made there with what is in effect. Where the kernel does
/// not tell (before 5.8): no.
fn may_write_in(directory: &PathBuf) -> bool {
    let access = Access::WRITE_OK | Access::EXEC_OK;
    accessat(CWD, directory, access, AtFlags::EACCESS).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privileges::tests::{is_root, nobody};

    /// In a thread of its own, which has nothing left afterwards.
    fn shedding(owner: Owner, maps_work: bool, directory: &'static str) -> [CapabilitySet; 2] {
        let thread = std::thread::spawn(move || {
            let kept = Kept {
                maps_work: &|| maps_work,
                directories: &[directory.into()],
            };
            shed(&owner, &kept).expect("less is always allowed");
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
        let most = Role::Looking.needs() | Role::Sources.needs();
        assert_eq!(effective, CapabilitySet::empty());
        assert_eq!(permitted, most & before);
    }

    #[test]
    fn what_is_needed_stays() {
        if !is_root() {
            return;
        }
        let [effective, _] = shedding(Owner::ourselves(), false, "/");
        let before = capabilities(None).expect("ours").permitted;
        assert_eq!(effective, CapabilitySet::BPF & before);
    }

    #[test]
    fn a_caller_of_sudo_is_what_it_becomes() {
        if !is_root() {
            return;
        }
        std::thread::spawn(|| {
            let kept = Kept {
                maps_work: &|| true,
                directories: &[],
            };
            let owner = Owner::account_of(nobody());
            shed(&owner, &kept).expect("root may");
            assert!(std::fs::File::open("/etc/shadow").is_err());
            assert!(owner.act().expect("it is that account").is_none());
            let own = rustix::thread::Uid::from_raw(0);
            assert!(set_thread_res_uid(own, own, own).is_err(), "the way back");
            // What others are to be given is still there.
            std::thread::spawn(|| {
                Role::Looking.take_up().expect("less is always allowed");
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
