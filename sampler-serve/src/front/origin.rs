// SPDX-License-Identifier: MIT OR Apache-2.0

//! Checks where a request comes from. A page of another site must not reach the server
//! through the browser of someone who may: neither under a name of its own that it has
//! pointed at the server's address, nor by a form or a link.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hyper::header::{HOST, HeaderMap, ORIGIN};
use hyper::{Method, StatusCode, Uri};

use crate::front::error::ApiError;

/// The longest `Host` or `Origin` that is read, in bytes.
const LONGEST: usize = 300;
/// The names under which a server on the same machine, or at the end of a tunnel, is
/// reached.
const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The names that the server answers to.
#[derive(Clone, Debug)]
pub struct AllowedHosts(BTreeSet<String>);

impl AllowedHosts {
    /// The names of the machine itself, the addresses that are listened on, and these
    /// names.
    pub fn new(
        names: impl IntoIterator<Item = String>,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> Self {
        let local = LOCAL.into_iter().map(str::to_owned);
        let addresses = addresses.into_iter().filter(|it| !it.is_unspecified());
        let addresses = addresses.map(|it| it.to_canonical().to_string());
        let names = names.into_iter().map(|it| it.to_ascii_lowercase());
        Self(local.chain(addresses).chain(names).collect())
    }

    fn has(&self, host: &str) -> bool {
        self.0.contains(host)
    }
}

/// A host and maybe a port, as in `Host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// A name in lower case or an address, an IPv6 one without brackets.
    pub host: String,
    /// The port, if it is given.
    pub port: Option<u16>,
}

/// Reads `name`, `name:port`, `address:port`, `[address]:port`.
#[must_use]
pub fn parse_authority(text: &str) -> Option<Authority> {
    if text.len() > LONGEST {
        return None;
    }
    let (host, rest) = match text.strip_prefix('[') {
        Some(inside) => {
            let (address, rest) = inside.split_once(']')?;
            let address: std::net::Ipv6Addr = address.parse().ok()?;
            (IpAddr::V6(address).to_canonical().to_string(), rest)
        }
        None => {
            let end = text.find(':').unwrap_or(text.len());
            let (name, rest) = text.split_at(end);
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            if name.is_empty() || !name.bytes().all(is_name) {
                return None;
            }
            // A dot behind a name means the same name.
            let name = name.strip_suffix('.').unwrap_or(name);
            (name.to_ascii_lowercase(), rest)
        }
    };
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => None,
        Some(digits) if digits.bytes().all(|it| it.is_ascii_digit()) => Some(digits.parse().ok()?),
        _ => return None,
    };
    (!host.is_empty()).then_some(Authority { host, port })
}

/// Returns the host in an `Origin` such as `http://localhost:8080`, with the port that its
/// scheme has by default.
#[must_use]
pub fn parse_origin(text: &str) -> Option<Authority> {
    let (scheme, rest) = text.split_once("://")?;
    let default = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let mut authority = parse_authority(rest)?;
    authority.port.get_or_insert(default);
    Some(authority)
}

/// Checks `Host`, `Origin` and `Sec-Fetch-Site`.
///
/// # Errors
/// 400 without a single `Host`, 421 for one that is not ours, 403 for a request that a page
/// of another site has caused.
pub fn check(
    allowed: &AllowedHosts,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), ApiError> {
    let host = host(uri, headers)?;
    if !allowed.has(&host.host) {
        let message = format!(
            "this server does not answer to the name {}; add it with --allow-host, or use localhost or its address",
            host.host
        );
        return Err(ApiError::new(StatusCode::MISDIRECTED_REQUEST, message));
    }
    if let Some(origin) = one(headers, ORIGIN.as_str())? {
        let is_same = parse_origin(origin).is_some_and(|origin| is_origin_of(&origin, &host));
        if !is_same {
            return Err(ApiError::forbidden(
                "the request was made by a page of another origin; use a page of this server",
            ));
        }
    }
    let site = one(headers, "sec-fetch-site")?;
    let is_foreign = site.is_some_and(|site| site != "same-origin" && site != "none");
    if is_foreign && !opens_page(method, uri, headers) {
        return Err(ApiError::forbidden(
            "the request was made by a page of another site; use a page of this server",
        ));
    }
    Ok(())
}

/// Whether a link on another site led to the page, which is harmless.
fn opens_page(method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    let is = |name: &str, value: &str| headers.get(name).is_some_and(|it| it == value);
    method == Method::GET
        && uri.path() == "/"
        && is("sec-fetch-mode", "navigate")
        && is("sec-fetch-dest", "document")
}

/// Whether a host belongs to an origin, by name and by port. Without a port, `Host` means
/// that of the scheme, which only the origin names.
fn is_origin_of(origin: &Authority, host: &Authority) -> bool {
    let is_default = matches!(origin.port, Some(80 | 443));
    origin.host == host.host && (origin.port == host.port || host.port.is_none() && is_default)
}

fn host(uri: &Uri, headers: &HeaderMap) -> Result<Authority, ApiError> {
    let text = match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => one(headers, HOST.as_str())?,
    };
    text.and_then(parse_authority).ok_or_else(|| {
        ApiError::bad_request("the request has no valid Host; name the server as localhost")
    })
}

/// Returns the value of a header that may occur only once.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(|value| value.to_str());
    match (value, values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(value)), None) => Ok(Some(value)),
        _ => Err(ApiError::bad_request(format!(
            "the header {name} is repeated or not ASCII; send it once"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_as_they_come() {
        let of = |text| parse_authority(text).map(|it| (it.host, it.port));
        let some = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(of("LocalHost:8080"), some("localhost", Some(8080)));
        assert_eq!(of("profiler.example."), some("profiler.example", None));
        assert_eq!(of("127.0.0.1"), some("127.0.0.1", None));
        assert_eq!(of("[::1]:80"), some("::1", Some(80)));
        assert_eq!(of("[0:0:0:0:0:0:0:1]"), some("::1", None));
        assert_eq!(of("[::ffff:127.0.0.1]"), some("127.0.0.1", None));
        for text in [
            "", ":80", "a:", "a:b", "a:99999", "a:+1", "[::1", "[x]", "::1", "a/b", "a@b", "a b",
            "ä", ".", "[::1]x",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
        assert_eq!(of(&"a".repeat(301)), None);
    }

    fn result(request: &[(&'static str, &str)]) -> u16 {
        let allowed = AllowedHosts::new(
            ["Profiler.Example".to_owned()],
            ["10.1.2.3".parse().expect("an address")],
        );
        let mut headers = HeaderMap::new();
        let mut path = "/api/v1/status";
        for (name, value) in request {
            match *name {
                "path" => path = if *value == "/" { "/" } else { path },
                name => {
                    headers.append(name, value.parse().expect("a value"));
                }
            }
        }
        let uri: Uri = path.parse().expect("a path");
        let outcome = check(&allowed, &Method::GET, &uri, &headers);
        outcome.map_or_else(|error| error.status.as_u16(), |()| 200)
    }

    #[test]
    fn only_our_own_names_are_answered() {
        for host in [
            "localhost",
            "127.0.0.1:9",
            "[::1]:8080",
            "profiler.example",
            "10.1.2.3:80",
        ] {
            assert_eq!(result(&[("host", host)]), 200, "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "0.0.0.0",
            "10.1.2.4",
        ] {
            assert_eq!(result(&[("host", host)]), 421, "{host}");
        }
        assert_eq!(result(&[]), 400);
        assert_eq!(result(&[("host", "")]), 400);
        assert_eq!(result(&[("host", "localhost"), ("host", "localhost")]), 400);
    }

    #[test]
    fn pages_of_other_sites_are_refused() {
        let with = |more: &[(&'static str, &str)]| {
            let mut all = vec![("host", "localhost:8080")];
            all.extend(more);
            result(&all)
        };
        assert_eq!(with(&[("origin", "http://localhost:8080")]), 200);
        for origin in [
            "null",
            "http://localhost:8081",
            "http://localhost",
            "http://evil.example:8080",
            "file://",
            "",
        ] {
            assert_eq!(with(&[("origin", origin)]), 403, "{origin}");
        }
        // Behind a proxy that ends TLS.
        let proxied = [
            ("host", "profiler.example"),
            ("origin", "https://profiler.example"),
        ];
        assert_eq!(result(&proxied), 200);
        for (site, status) in [("same-origin", 200), ("none", 200), ("cross-site", 403)] {
            assert_eq!(with(&[("sec-fetch-site", site)]), status, "{site}");
        }
        assert_eq!(with(&[("sec-fetch-site", "same-site")]), 403);
    }

    #[test]
    fn a_link_elsewhere_may_open_the_page_alone() {
        let link = [
            ("host", "localhost"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        assert_eq!(result(&link), 403);
        assert_eq!(result(&[&link[..], &[("path", "/")]].concat()), 200);
        let frame = [&link[..3], &[("sec-fetch-dest", "iframe"), ("path", "/")]].concat();
        assert_eq!(result(&frame), 403);
    }
}
