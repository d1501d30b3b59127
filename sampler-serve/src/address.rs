// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where the server listens, as it is written on the command line.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// An address of `--listen`.
///
/// ```
/// use sampler_serve::address::ListenAddress;
///
/// let address: ListenAddress = "unix:/run/pyebpf/pyebpf.sock".parse()?;
/// assert!(matches!(address, ListenAddress::Unix(_)));
/// let address: ListenAddress = "127.0.0.1:6161".parse()?;
/// assert!(address.is_loopback());
/// # Ok::<(), sampler_serve::address::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// `unix:PATH`: a socket in the file system.
    Unix(PathBuf),
    /// `IP:PORT`.
    Tcp(SocketAddr),
}

/// What is wrong with an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address to listen on: give unix:/PATH or IP:PORT, such as 127.0.0.1:6161")]
pub struct AddressError(String);

impl ListenAddress {
    /// Whether only this host can reach it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp(address) => address.ip().is_loopback(),
        }
    }
}

impl FromStr for ListenAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let error = || AddressError(text.to_owned());
        match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') && !path.ends_with('/') => {
                Ok(Self::Unix(path.into()))
            }
            Some(_) => Err(error()),
            None => text.parse().map(Self::Tcp).map_err(|_| error()),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
            Self::Tcp(address) => address.fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_without_names_are_taken() {
        for text in [
            "unix:/run/a.sock",
            "127.0.0.1:6161",
            "[::1]:80",
            "0.0.0.0:1",
        ] {
            let address: ListenAddress = text.parse().expect("an address");
            assert_eq!(address.to_string(), text);
        }
        for text in [
            "",
            "unix:",
            "unix:a.sock",
            "unix:/run/",
            "localhost:80",
            "80",
            ":80",
        ] {
            assert!(text.parse::<ListenAddress>().is_err(), "{text}");
        }
        let everywhere: ListenAddress = "0.0.0.0:80".parse().expect("an address");
        assert!(!everywhere.is_loopback());
    }
}
