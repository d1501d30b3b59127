// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tokens, and the header that carries one: as a bearer token, or as the password of Basic
//! authorization, which browsers ask for and `go tool pprof` takes from a URL.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::{Choice, ConstantTimeEq};

/// The fewest and the most bytes of a token.
const LENGTHS: std::ops::RangeInclusive<usize> = 16..=1024;
/// The longest header that is read, in bytes.
const LONGEST_HEADER: usize = 4096;

/// The tokens that open the server over TCP. They are never displayed.
#[derive(Clone, Default)]
pub struct Tokens(Vec<Vec<u8>>);

impl fmt::Debug for Tokens {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Tokens({})", self.0.len())
    }
}

/// Why a text is not a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is too short to be a secret, or too long for a header.
    #[error(
        "a token has {length} bytes; use 16 to 1024, such as the output of `openssl rand -hex 32`"
    )]
    Length {
        /// How many bytes it has.
        length: usize,
    },
    /// It contains a character that headers cannot carry.
    #[error(
        "a token contains a space, a control character or a non-ASCII character; use letters and digits"
    )]
    Character,
}

impl Tokens {
    /// Reads tokens, one per line. Empty lines and lines that begin with `#` are ignored.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn from_lines(text: &str) -> Result<Self, TokenError> {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(token).collect::<Result<_, _>>().map(Self)
    }

    /// Whether there is none: nobody is let in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an `Authorization` header carries one of the tokens. How long that takes
    /// does not depend on how much of a token is right.
    #[must_use]
    pub fn accept(&self, header: &[u8]) -> bool {
        let Some(secret) = secret(header) else {
            return false;
        };
        let equal = self.0.iter().map(|token| token.as_slice().ct_eq(&secret));
        equal.fold(Choice::from(0), |any, one| any | one).into()
    }
}

fn token(line: &str) -> Result<Vec<u8>, TokenError> {
    let length = line.len();
    if !LENGTHS.contains(&length) {
        return Err(TokenError::Length { length });
    }
    if !line.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(TokenError::Character);
    }
    Ok(line.as_bytes().to_vec())
}

/// Returns the secret in an `Authorization` header (RFC 6750, RFC 7617).
#[must_use]
pub fn secret(header: &[u8]) -> Option<Vec<u8>> {
    if header.len() > LONGEST_HEADER {
        return None;
    }
    let header = header.trim_ascii();
    let blank = header.iter().position(|byte| *byte == b' ')?;
    let (scheme, rest) = header.split_at(blank);
    let rest = rest.trim_ascii();
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return Some(rest.to_vec());
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let pair = STANDARD.decode(rest).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    pair.get(colon + 1..).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    #[test]
    fn a_token_comes_as_bearer_or_as_password() {
        let tokens = Tokens::from_lines(&format!("# two\n\nfedcba9876543210\n {TOKEN}\n"));
        let tokens = tokens.expect("tokens");
        // What `curl -u any:0123456789abcdef` sends.
        let basic = format!("Basic {}", STANDARD.encode(format!("any:{TOKEN}")));
        for header in [
            format!("Bearer {TOKEN}"),
            format!("bearer   {TOKEN} "),
            "Bearer fedcba9876543210".to_owned(),
            basic.clone(),
            basic.replacen("Basic", "bAsIc", 1),
            format!("Basic {}", STANDARD.encode(format!(":{TOKEN}"))),
        ] {
            assert!(tokens.accept(header.as_bytes()), "{header}");
        }
        for header in [
            String::new(),
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            TOKEN.to_owned(),
            format!("Bearer {TOKEN}x"),
            format!("Bearer {}", &TOKEN[1..]),
            format!("Digest {TOKEN}"),
            format!("Basic {TOKEN}"),
            format!("Basic {}", STANDARD.encode(TOKEN)),
            format!("Basic {}", STANDARD.encode(format!("{TOKEN}:"))),
            format!("Bearer {TOKEN}{}", " ".repeat(5000)),
        ] {
            assert!(!tokens.accept(header.as_bytes()), "{header}");
        }
        assert!(!Tokens::default().accept(b"Bearer "));
        assert_eq!(format!("{tokens:?}"), "Tokens(2)");
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        let of = |text: &str| Tokens::from_lines(text).map(|tokens| tokens.0.len());
        assert_eq!(of("# none\n\n"), Ok(0));
        assert_eq!(of("short"), Err(TokenError::Length { length: 5 }));
        assert_eq!(of("0123456789 abcdef"), Err(TokenError::Character));
        let long = "x".repeat(1025);
        assert_eq!(of(&long), Err(TokenError::Length { length: 1025 }));
    }
}
