// SPDX-License-Identifier: MIT OR Apache-2.0

//! Derives the container, the Kubernetes pod or the systemd unit that a cgroup was made
//! for from the cgroup's path alone, without asking a container runtime.
//!
//! The names are those of Docker, containerd and CRI-O (runc's and crun's cgroupfs and
//! systemd drivers), Podman, the kubelet (`pkg/kubelet/cm`), LXC, systemd-nspawn and
//! Amazon ECS.

/// The length of a container's short id, as `docker ps` and `crictl ps` show it.
const SHORT_ID: usize = 12;
/// The length of a pod's short uid: up to its first dash.
const SHORT_UID: usize = 8;

/// The path of a cgroup, and what the path says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CgroupPlace {
    /// The path, from the root of our cgroup namespace; empty where a process is only in
    /// root cgroups.
    pub path: String,
    /// The container, such as `docker:4f1c5a0de6b7` or
    /// `pod:1b2c3d4e/containerd:4f1c5a0de6b7`.
    pub container: Option<String>,
    /// The innermost systemd unit, such as `gunicorn.service`; `None` in a container.
    pub unit: Option<String>,
}

impl CgroupPlace {
    /// Parses the path of a cgroup.
    #[must_use]
    pub fn from_path(path: &str) -> Self {
        let components: Vec<&str> = path.split('/').filter(|it| !it.is_empty()).collect();
        let container = container(&components);
        let unit = match container {
            Some(_) => None,
            None => unit(&components),
        };
        Self {
            path: path.to_owned(),
            container,
            unit: unit.map(ToOwned::to_owned),
        }
    }

    /// Returns the shortest name: the container, else the unit, else the path.
    #[must_use]
    pub fn label(&self) -> &str {
        let name = self.container.as_deref().or(self.unit.as_deref());
        name.unwrap_or(&self.path)
    }
}

/// Whether a text is a container's id: 64 hexadecimal digits in all runtimes but LXC and
/// systemd.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == 64 && is_hex(text)
}

fn is_hex(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn container(components: &[&str]) -> Option<String> {
    // Innermost first: a container may contain others.
    let found = components.iter().enumerate().rev().find_map(|(at, name)| {
        let parents = components.get(..at).unwrap_or_default();
        let (runtime, id) = runtime_and_id(name, parents)?;
        Some(format!("{runtime}:{id}"))
    });
    match (pod(components), found) {
        (Some(pod), Some(container)) => Some(format!("pod:{pod}/{container}")),
        (Some(pod), None) => Some(format!("pod:{pod}")),
        (None, container) => container,
    }
}

fn runtime_and_id(name: &str, parents: &[&str]) -> Option<(String, String)> {
    let parent = parents.last().copied().unwrap_or_default();
    if let Some(name) = name.strip_prefix("lxc.payload.") {
        return Some(("lxc".into(), name.into()));
    }
    if parent == "lxc" || parent == "lxc.payload" {
        return Some(("lxc".into(), name.into()));
    }
    let machine = name
        .strip_prefix("machine-")
        .and_then(|name| name.strip_suffix(".scope"))
        .or_else(|| {
            let name = name.strip_prefix("systemd-nspawn@")?;
            name.strip_suffix(".service")
        });
    if let Some(machine) = machine {
        return Some(("machine".into(), unescaped(machine)));
    }
    let is_ecs = parents.contains(&"ecs");
    // An id, alone or after the runtime's name: `docker-4f1c….scope`, or
    // `kubepods-….slice:cri-containerd:4f1c…`.
    let bare = name.strip_suffix(".scope").unwrap_or(name);
    let (prefix, id) = bare.rsplit_once(['-', ':']).unwrap_or(("", bare));
    if !is_id(id) {
        // A Fargate task, `<task>-<number>`.
        let is_task = is_ecs && prefix.len() == 32 && is_hex(prefix);
        return is_task.then(|| ("ecs".into(), short(prefix, SHORT_ID)));
    }
    let runtime = prefix.rsplit_once(':').map_or(prefix, |(_, name)| name);
    let runtime = match runtime {
        // The process that monitors a container is outside it.
        "libpod-conmon" | "crio-conmon" => return None,
        "cri-containerd" => "containerd",
        "crio" => "cri-o",
        "libpod" => "podman",
        "" if is_ecs => "ecs",
        "" if matches!(parent, "docker" | "buildkit") => parent,
        "" => "container",
        other => other,
    };
    Some((runtime.to_owned(), short(id, SHORT_ID)))
}

/// Returns the short form of the pod's uid: `pod<uid>` below a `kubepods`, or a slice
/// `kubepods-burstable-pod<uid, with underscores>.slice`.
fn pod(components: &[&str]) -> Option<String> {
    let is_kubernetes = components.iter().any(|it| it.contains("kubepods"));
    let uid = |name: &str| {
        let slice = name.split_once(".slice").map(|(slice, _)| slice);
        let uid = match slice {
            Some(slice) => slice.rsplit_once("-pod").map(|(_, uid)| uid),
            None => name.strip_prefix("pod"),
        };
        uid.filter(|uid| {
            let digits = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b'-' | b'_');
            uid.len() >= 32 && uid.bytes().all(digits)
        })
        .map(|uid| short(uid, SHORT_UID))
    };
    let mut names = components.iter().rev();
    names.find_map(|name| uid(name)).filter(|_| is_kubernetes)
}

/// Returns the innermost service or scope, or else the innermost slice.
fn unit<'a>(components: &[&'a str]) -> Option<&'a str> {
    let ends = |name: &&&str, ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    let innermost = |kinds: &[&str]| {
        components
            .iter()
            .rev()
            .find(|name| ends(name, kinds))
            .copied()
    };
    innermost(&[".service", ".scope"]).or_else(|| innermost(&[".slice"]))
}

fn short(text: &str, length: usize) -> String {
    text.chars().take(length).collect()
}

/// Undoes systemd's escape of `-` in names, `\x2d` (systemd.unit(5)).
fn unescaped(name: &str) -> String {
    name.replace("\\x2d", "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4f1c5a0de6b7984f1c5a0de6b7984f1c5a0de6b7984f1c5a0de6b7984f1c5a0d";

    #[track_caller]
    fn assert_label(path: &str, label: &str) {
        let path = path.replace("ID", ID);
        assert_eq!(CgroupPlace::from_path(&path).label(), label, "{path}");
    }

    #[test]
    fn container_runtimes_are_told_by_their_names() {
        for (path, label) in [
            ("/docker/ID", "docker:4f1c5a0de6b7"),
            ("/system.slice/docker-ID.scope", "docker:4f1c5a0de6b7"),
            ("/docker/buildkit/ID", "buildkit:4f1c5a0de6b7"),
            ("/system.slice/nerdctl-ID.scope", "nerdctl:4f1c5a0de6b7"),
            (
                "/machine.slice/libpod-ID.scope/container",
                "podman:4f1c5a0de6b7",
            ),
            (
                "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container",
                "podman:4f1c5a0de6b7",
            ),
            ("/libpod_parent/libpod-ID", "podman:4f1c5a0de6b7"),
            (
                "/machine.slice/libpod-conmon-ID.scope",
                &format!("libpod-conmon-{ID}.scope"),
            ),
            (
                "/ecs/prod/0123456789abcdef0123456789abcdef/ID",
                "ecs:4f1c5a0de6b7",
            ),
            (
                "/ecs/0123456789abcdef0123456789abcdef/0123456789abcdef0123456789abcdef-42",
                "ecs:0123456789ab",
            ),
            ("/lxc.payload.web/init.scope", "lxc:web"),
            ("/lxc/web/user.slice", "lxc:web"),
            ("/machine.slice/machine-my\\x2dweb.scope", "machine:my-web"),
            (
                "/machine.slice/systemd-nspawn@web.service/payload",
                "machine:web",
            ),
            ("/somewhere/ID", "container:4f1c5a0de6b7"),
            // As seen from the cgroup namespace of another container.
            ("/../ID", "container:4f1c5a0de6b7"),
            ("/docker/ID/system.slice/web.service", "docker:4f1c5a0de6b7"),
        ] {
            assert_label(path, label);
        }
    }

    #[test]
    fn pods_have_their_uid() {
        let slices = "/kubepods.slice/kubepods-burstable.slice/\
            kubepods-burstable-pod1b2c3d4e_0a1b_4c5d_8e9f_0123456789ab.slice";
        let nested = "/system.slice/containerd.service/\
            kubepods-pod1b2c3d4e_0a1b_4c5d_8e9f_0123456789ab.slice:cri-containerd:ID";
        let plain = "/kubepods/besteffort/pod1b2c3d4e-0a1b-4c5d-8e9f-0123456789ab";
        for (path, label) in [
            (
                format!("{slices}/cri-containerd-ID.scope"),
                "pod:1b2c3d4e/containerd:4f1c5a0de6b7",
            ),
            (
                format!("{slices}/crio-ID.scope"),
                "pod:1b2c3d4e/cri-o:4f1c5a0de6b7",
            ),
            (slices.to_owned(), "pod:1b2c3d4e"),
            (nested.to_owned(), "pod:1b2c3d4e/containerd:4f1c5a0de6b7"),
            (format!("{plain}/ID"), "pod:1b2c3d4e/container:4f1c5a0de6b7"),
            // A cluster in a container.
            (
                format!("/docker/{ID}/kubelet{plain}/{ID}"),
                "pod:1b2c3d4e/container:4f1c5a0de6b7",
            ),
            // A static pod's uid is a hash without dashes.
            (
                "/kubepods/pod0123456789abcdef0123456789abcdef/ID".to_owned(),
                "pod:01234567/container:4f1c5a0de6b7",
            ),
        ] {
            assert_label(&path, label);
        }
    }

    #[test]
    fn units_and_plain_cgroups_are_named_too() {
        for (path, label) in [
            ("/system.slice/gunicorn.service", "gunicorn.service"),
            ("/system.slice/gunicorn.service/workers", "gunicorn.service"),
            (
                "/user.slice/user-1000.slice/session-3.scope",
                "session-3.scope",
            ),
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.service",
                "app-x.service",
            ),
            ("/user.slice/user-1000.slice", "user-1000.slice"),
            ("/batch/nightly", "/batch/nightly"),
            ("/podcast/episodes", "/podcast/episodes"),
            ("/", "/"),
            ("", ""),
        ] {
            assert_label(path, label);
        }
        assert_eq!(CgroupPlace::from_path("/batch/nightly").unit, None);
    }
}
