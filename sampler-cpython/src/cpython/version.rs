// SPDX-License-Identifier: MIT OR Apache-2.0

//! Versions of CPython: from `PY_VERSION_HEX`, from text, and to text.

use std::fmt;
use std::str::FromStr;

/// How finished a release is (the second-lowest hexadecimal digit of `PY_VERSION_HEX`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReleaseLevel {
    /// `a`.
    Alpha,
    /// `b`.
    Beta,
    /// `rc`.
    Candidate,
    /// A final release.
    Final,
}

/// A version of CPython.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PythonVersion {
    /// 3 in 3.8.18.
    pub major: u8,
    /// 8 in 3.8.18.
    pub minor: u8,
    /// 18 in 3.8.18.
    pub micro: u8,
    /// How finished it is.
    pub level: ReleaseLevel,
    /// 1 in 3.15.0rc1; 0 in a final release. 0 to 15.
    pub serial: u8,
    /// Whether it was built without the GIL.
    pub free_threaded: bool,
}

impl PythonVersion {
    /// Returns its tag in the names of `.pyc` files: `sys.implementation.cache_tag`.
    pub fn cache_tag(&self) -> String {
        let Self { major, minor, .. } = self;
        format!("cpython-{major}{minor}")
    }

    /// Decodes a `PY_VERSION_HEX` (Include/patchlevel.h); `None` if no release can have
    /// that number.
    pub fn from_hex(hex: u32, free_threaded: bool) -> Option<Self> {
        let [major, minor, micro, release] = hex.to_be_bytes();
        let level = match release >> 4 {
            0xa => ReleaseLevel::Alpha,
            0xb => ReleaseLevel::Beta,
            0xc => ReleaseLevel::Candidate,
            0xf => ReleaseLevel::Final,
            _ => return None,
        };
        Some(Self {
            major,
            minor,
            micro,
            level,
            serial: release & 0xf,
            free_threaded,
        })
    }

    /// Returns a final release of which only the first two numbers are known.
    pub fn minor_only(major: u8, minor: u8) -> Self {
        Self {
            major,
            minor,
            micro: 0,
            level: ReleaseLevel::Final,
            serial: 0,
            free_threaded: false,
        }
    }

    /// Whether it precedes the first release of its minor version.
    pub fn is_preview(self) -> bool {
        self.level != ReleaseLevel::Final
    }
}

/// The error for a text that is not a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a Python version: it must look like 3.8.18 or 3.15.0rc1")]
pub struct NotAVersion;

impl FromStr for PythonVersion {
    type Err = NotAVersion;

    /// Parses `PY_VERSION`: `3.8.18`, `3.15.0rc1`, `3.9.2+` (a build between two
    /// releases).
    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let text = text.strip_suffix('+').unwrap_or(text);
        let mut numbers = text.splitn(3, '.');
        let major = number(numbers.next())?;
        let minor = number(numbers.next())?;
        let last = numbers.next().ok_or(NotAVersion)?;
        let digits = last
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(last.len());
        let (micro, suffix) = last.split_at(digits);
        let micro = number(Some(micro))?;
        let (level, serial) = if let Some(serial) = suffix.strip_prefix("rc") {
            (ReleaseLevel::Candidate, number(Some(serial))?)
        } else if let Some(serial) = suffix.strip_prefix('b') {
            (ReleaseLevel::Beta, number(Some(serial))?)
        } else if let Some(serial) = suffix.strip_prefix('a') {
            (ReleaseLevel::Alpha, number(Some(serial))?)
        } else if suffix.is_empty() {
            (ReleaseLevel::Final, 0)
        } else {
            return Err(NotAVersion);
        };
        Ok(Self {
            major,
            minor,
            micro,
            level,
            serial,
            free_threaded: false,
        })
    }
}

/// Parses a number up to 255, in digits without a sign.
fn number(text: Option<&str>) -> Result<u8, NotAVersion> {
    let text = text.ok_or(NotAVersion)?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotAVersion);
    }
    text.parse().map_err(|_| NotAVersion)
}

impl fmt::Display for PythonVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.major, self.minor, self.micro)?;
        match self.level {
            ReleaseLevel::Alpha => write!(formatter, "a{}", self.serial)?,
            ReleaseLevel::Beta => write!(formatter, "b{}", self.serial)?,
            ReleaseLevel::Candidate => write!(formatter, "rc{}", self.serial)?,
            ReleaseLevel::Final => {}
        }
        if self.free_threaded {
            formatter.write_str("t")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_and_text_agree() {
        for (hex, text) in [
            (0x0308_12f0, "3.8.18"),
            (0x030f_00c1, "3.15.0rc1"),
            (0x030e_00a7, "3.14.0a7"),
            (0x030d_05f0, "3.13.5"),
        ] {
            let version = PythonVersion::from_hex(hex, false).expect("a real version");
            assert_eq!(version.to_string(), text);
            assert_eq!(text.parse(), Ok(version));
        }
        let free = PythonVersion::from_hex(0x030d_05f0, true).expect("a real version");
        assert_eq!(free.to_string(), "3.13.5t");
    }

    #[test]
    fn a_build_between_releases_counts_as_the_earlier_one() {
        assert_eq!("3.9.2+".parse(), "3.9.2".parse::<PythonVersion>());
    }

    #[test]
    fn refuses_other_texts() {
        for text in [
            "", "3", "3.8", "3.8.", "3.8.18x", "3.-8.1", "3.8.1.2", "3.999.1", "3.8.1rc",
        ] {
            assert_eq!(text.parse::<PythonVersion>(), Err(NotAVersion), "{text}");
        }
        assert_eq!(PythonVersion::from_hex(0, false), None);
    }
}
