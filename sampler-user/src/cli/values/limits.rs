// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads the limits of what a recording may use: `--max-cpu`, `--buffer` and
//! `--max-disk`.

use crate::cli::values::error::ValueError;

/// The range of sizes of a ring buffer, in bytes; the kernel requires a power of two
/// pages.
const SMALLEST_BUFFER: u64 = 64 << 10;
const LARGEST_BUFFER: u64 = 1 << 30;
/// The least room that a server can do with: some chunks of a busy host.
const LEAST_DISK: u64 = 16 << 20;
/// The smallest share that can be asked for: about as much as an idle recording uses.
const LEAST_SHARE: f64 = 0.001;
/// The largest share: a hundred CPUs.
const GREATEST_SHARE: f64 = 100.0;

/// The share of one CPU that sampling may use, where 1.0 is a whole CPU; `None` for no
/// limit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CpuLimit(pub Option<f64>);

/// Reads `5%`, `5` or `0.5%` as a share of one CPU, and `off` as no limit.
///
/// # Errors
/// [`ValueError::MaxCpu`].
pub fn max_cpu(value: &str) -> Result<CpuLimit, ValueError> {
    let text = value.trim();
    if text == "off" {
        return Ok(CpuLimit(None));
    }
    let number = text.strip_suffix('%').unwrap_or(text).trim_end();
    let is_plain = number
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let percent: Option<f64> = is_plain.then(|| number.parse().ok()).flatten();
    let share = percent.map(|percent| percent / 100.0);
    let share = share.filter(|share| (LEAST_SHARE..=GREATEST_SHARE).contains(share));
    share
        .map(|share| CpuLimit(Some(share)))
        .ok_or(ValueError::MaxCpu)
}

/// Reads the size of the buffer, and rounds it up to a power of two.
///
/// # Errors
/// [`ValueError::Buffer`].
pub fn buffer(value: &str) -> Result<u32, ValueError> {
    size(value)
        .filter(|bytes| (SMALLEST_BUFFER..=LARGEST_BUFFER).contains(bytes))
        .and_then(|bytes| u32::try_from(bytes.next_power_of_two()).ok())
        .ok_or(ValueError::Buffer)
}

/// Reads how much room a server may take on the disk.
///
/// # Errors
/// [`ValueError::Disk`].
pub fn disk(value: &str) -> Result<u64, ValueError> {
    size(value)
        .filter(|bytes| *bytes >= LEAST_DISK)
        .ok_or(ValueError::Disk)
}

/// Reads a size in bytes, or with `K`, `M`, `G` or `T`.
pub(super) fn size(value: &str) -> Option<u64> {
    let text = value.trim();
    let units = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];
    let unit = units.into_iter().find_map(|(letter, shift)| {
        let number = text.strip_suffix([letter, letter.to_ascii_lowercase()])?;
        Some((number, 1_u64 << shift))
    });
    let (number, unit) = unit.unwrap_or((text, 1));
    let is_plain = number.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_plain.then(|| number.parse::<u64>().ok()).flatten();
    number.and_then(|number| number.checked_mul(unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_a_cpu() {
        for (text, share) in [("5%", 0.05), ("5", 0.05), ("0.5 %", 0.005), ("200%", 2.0)] {
            let found = max_cpu(text).expect("is a share").0.expect("is a limit");
            assert!((found - share).abs() < 1e-9, "{text}");
        }
        assert_eq!(max_cpu("off"), Ok(CpuLimit(None)));
        for text in [
            "", "0", "0%", "-5%", "5%%", "nan", "inf", "1e9", "five", ".",
        ] {
            assert!(max_cpu(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_of_a_buffer() {
        for (text, bytes) in [
            ("64K", 64 << 10),
            ("4M", 4 << 20),
            ("4m", 4 << 20),
            ("5M", 8 << 20),
            ("1G", 1 << 30),
            ("65536", 65536),
        ] {
            assert_eq!(buffer(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "0",
            "4K",
            "2G",
            "-4M",
            "4MB",
            "M",
            "ä",
            "99999999999999999999",
        ] {
            assert!(buffer(text).is_err(), "{text}");
        }
    }

    #[test]
    fn room_on_the_disk() {
        for (text, bytes) in [("16M", 16 << 20), ("2G", 2 << 30), ("1t", 1 << 40)] {
            assert_eq!(disk(text), Ok(bytes), "{text}");
        }
        for text in ["", "15M", "1", "-1G", "1.5G", "99999999T", "G"] {
            assert_eq!(disk(text), Err(ValueError::Disk), "{text}");
        }
    }
}
