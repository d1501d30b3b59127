// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads the BPF maps of a running pyebpf from outside, with bpftool.

use std::fs;
use std::process::Command;

use serde_json::Value;

/// Returns the keys of the map `name` of process `pid`, as 32-bit numbers.
pub(crate) fn keys(pid: u32, name: &str) -> Result<Vec<u32>, String> {
    for id in maps_of(pid)? {
        if bpftool(&["map", "show", "id", &id])?["name"] != name {
            continue;
        }
        let entries = bpftool(&["map", "dump", "id", &id])?;
        let entries = entries.as_array().ok_or("no list of entries")?;
        return entries.iter().map(key).collect();
    }
    Err(format!("process {pid} has no table {name}"))
}

fn maps_of(pid: u32) -> Result<Vec<String>, String> {
    let directory = format!("/proc/{pid}/fdinfo");
    let entries = fs::read_dir(&directory).map_err(|error| format!("{directory}: {error}"))?;
    let facts = entries.filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok());
    let id = |text: String| {
        let line = text.lines().find_map(|line| line.strip_prefix("map_id:"))?;
        Some(line.trim().to_owned())
    };
    Ok(facts.filter_map(id).collect())
}

fn bpftool(arguments: &[&str]) -> Result<Value, String> {
    // Debian installs it where only root's PATH has it.
    let mut command = Command::new("bpftool");
    command.env("PATH", "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin");
    let output = command.arg("-j").args(arguments).output();
    let output = output.map_err(|error| format!("bpftool: {error}; Debian's package has it"))?;
    serde_json::from_slice(&output.stdout).map_err(|error| {
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        format!("bpftool {arguments:?}: {error}: {said}")
    })
}

fn key(entry: &Value) -> Result<u32, String> {
    let bytes = entry["key"].as_array().ok_or("an entry has no key")?;
    let mut number = 0;
    for byte in bytes.iter().rev() {
        let digits = byte.as_str().and_then(|it| it.strip_prefix("0x"));
        let byte = digits.and_then(|it| u32::from_str_radix(it, 16).ok());
        number = number << 8 | byte.ok_or("a key is no list of bytes")?;
    }
    Ok(number)
}
