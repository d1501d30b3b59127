//! The name of a module, from the path of its file. It refuses to look at the
//! file system: a trace may come from another host.

/// Directories below which modules have the names that import them.
const ROOTS: [&str; 3] = ["/site-packages/", "/dist-packages/", "/lib-dynload/"];

/// `json.decoder` for `/usr/lib/python3.12/json/decoder.py`; below no known
/// root the whole path, its parts joined by dots: `srv.app.views`. A frozen
/// module is named as it is.
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

/// Where a path goes on behind `/python3.12/`.
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
