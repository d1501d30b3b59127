// SPDX-License-Identifier: MIT OR Apache-2.0

//! Derives the name of a module from the path of its file. Does not look at the file
//! system, because a trace may come from another host.

/// Directories below which a file's path gives the name that its module is imported by.
const ROOTS: [&str; 3] = ["/site-packages/", "/dist-packages/", "/lib-dynload/"];

/// The module in a file: `json.decoder` for `/usr/lib/python3.12/json/decoder.py`. Below
/// no known root it is the whole path, its parts joined by dots: `srv.app.views`. A
/// frozen module keeps its name.
#[must_use]
pub fn module_of(file: &str) -> String {
    let frozen = file
        .strip_prefix("<frozen ")
        .and_then(|name| name.strip_suffix('>'));
    if let Some(name) = frozen {
        return name.to_owned();
    }
    let below = ROOTS
        .iter()
        .filter_map(|root| Some(file.rfind(root)? + root.len()))
        .max()
        .or_else(|| standard_library(file))
        .unwrap_or(0);
    let path = file.get(below..).unwrap_or_default();
    let stem = [".py", ".pyc", ".so"]
        .iter()
        .find_map(|ending| path.strip_suffix(ending))
        .unwrap_or(path);
    let stem = stem.strip_suffix("/__init__").unwrap_or(stem);
    let parts: Vec<_> = stem
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    parts.join(".")
}

/// Where the part of a path after `/python3.12/` begins.
fn standard_library(file: &str) -> Option<usize> {
    let at = file.rfind("/python3.")? + "/python3.".len();
    let rest = file.get(at..)?;
    let version = rest.find('/')?;
    let digits = rest.get(..version)?;
    let is_version = digits
        .trim_end_matches('t')
        .bytes()
        .all(|byte| byte.is_ascii_digit());
    (is_version && !digits.is_empty()).then_some(at + version + 1)
}

#[cfg(test)]
mod tests {
    use super::module_of;

    #[test]
    fn modules_by_their_roots() {
        for (file, module) in [
            ("/usr/lib/python3.12/json/decoder.py", "json.decoder"),
            ("/opt/lib/python3.13t/json/__init__.py", "json"),
            (
                "/v/lib/python3.11/site-packages/requests/api.py",
                "requests.api",
            ),
            ("/usr/lib/python3/dist-packages/apt/cache.py", "apt.cache"),
            ("/srv/app/views.py", "srv.app.views"),
            ("./run.py", "run"),
            ("<frozen importlib._bootstrap>", "importlib._bootstrap"),
            ("<string>", "<string>"),
            ("/home/python3.x/a.py", "home.python3.x.a"),
            ("", ""),
        ] {
            assert_eq!(module_of(file), module, "{file}");
        }
    }
}
