// SPDX-License-Identifier: MIT OR Apache-2.0

//! Names what a process runs, from its command line: for a Python interpreter, the script
//! or module; for anything else, the program.

/// Returns the name of what `arguments` start: for a Python interpreter, the file name of
/// its script or its module (`-m`); for any other program, its own file name. `None`
/// without arguments.
pub(super) fn program_name<'a>(mut arguments: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let mut program = unwrapped(file_name(arguments.next()?));
    // A dynamic linker that was started by hand runs another program.
    while is_linker(program) {
        match linked(&mut arguments) {
            Some(path) => program = unwrapped(file_name(path)),
            None => return Some(program),
        }
    }
    if !program.starts_with(b"python") && !program.starts_with(b"pypy") {
        return Some(program);
    }
    Some(subject(arguments).unwrap_or(program))
}

/// Whether a program is the dynamic linker of glibc or musl.
fn is_linker(program: &[u8]) -> bool {
    let is_versioned = program.strip_prefix(b"ld-").is_some_and(|rest| {
        rest.starts_with(b"linux") || rest.starts_with(b"musl") || rest.ends_with(b".so")
    });
    is_versioned || program == b"ld.so"
}

/// Returns the program that a dynamic linker with these arguments runs (`ld.so --help`).
fn linked<'a>(arguments: &mut impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    const WITH_VALUE: [&[u8]; 7] = [
        b"--library-path",
        b"--preload",
        b"--argv0",
        b"--audit",
        b"--inhibit-rpath",
        b"--glibc-hwcaps-prepend",
        b"--glibc-hwcaps-mask",
    ];
    while let Some(argument) = arguments.next() {
        match argument {
            b"--" => return arguments.next(),
            option if WITH_VALUE.contains(&option) => {
                arguments.next();
            }
            [b'-', b'-', ..] => {}
            path => return Some(path),
        }
    }
    None
}

/// Removes what a wrapper of Nixpkgs adds to the name of the program that it hides:
/// `.tool-wrapped`.
fn unwrapped(name: &[u8]) -> &[u8] {
    let hidden = name.strip_prefix(b".").unwrap_or_default();
    let end = hidden.iter().rposition(|byte| *byte != b'_');
    let hidden = hidden
        .get(..end.map_or(0, |end| end + 1))
        .unwrap_or_default();
    match hidden.strip_suffix(b"-wrapped") {
        Some(tool) if !tool.is_empty() => tool,
        _ => name,
    }
}

/// Whether a script is one that a PEX file has been unpacked to: a directory whose name
/// is a hash, or the `pex` of a virtual environment.
pub(super) fn is_of_cache(name: &[u8]) -> bool {
    name == b"pex" || name.len() >= 32 && name.iter().all(u8::is_ascii_hexdigit)
}

/// Returns what an interpreter with these arguments runs; see `Python/getopt.c`.
fn subject<'a>(mut arguments: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    while let Some(argument) = arguments.next() {
        let Some(options) = argument.strip_prefix(b"-") else {
            return script_name(argument);
        };
        match options {
            // Standard input.
            b"" => return None,
            b"-" => return script_name(arguments.next()?),
            b"-check-hash-based-pycs" => {
                arguments.next();
            }
            // Other long options.
            [b'-', ..] => {}
            cluster => {
                // Each letter is an option. The rest of the word, or else the next word,
                // is the value of the first letter that needs one.
                let wants = |letter: &u8| matches!(letter, b'c' | b'm' | b'W' | b'X' | b'Q');
                let Some(at) = cluster.iter().position(wants) else {
                    continue;
                };
                let rest = cluster.get(at + 1..).filter(|rest| !rest.is_empty());
                let value = rest.or_else(|| arguments.next());
                match cluster.get(at) {
                    Some(b'c') => return None,
                    Some(b'm') => return value,
                    _ => {}
                }
            }
        }
    }
    None
}

/// Returns the file name of a script; for a directory's `__main__.py`, that of the
/// directory; `None` for a descriptor, as a shell gives one for `<(...)`.
fn script_name(path: &[u8]) -> Option<&[u8]> {
    const DESCRIPTORS: [&[u8]; 3] = [b"/dev/fd/", b"/proc/self/fd/", b"/dev/stdin"];
    if DESCRIPTORS.iter().any(|place| path.starts_with(place)) {
        return None;
    }
    match path.strip_suffix(b"/__main__.py") {
        Some(directory) if !directory.is_empty() => Some(file_name(directory)),
        _ => Some(unwrapped(file_name(path))),
    }
}

pub(super) fn file_name(path: &[u8]) -> &[u8] {
    let name = path.rsplit(|byte| *byte == b'/').next();
    name.filter(|name| !name.is_empty()).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(words: &str) -> String {
        let name = program_name(words.split(' ').map(str::as_bytes));
        String::from_utf8(name.unwrap_or_default().to_vec()).expect("it was")
    }

    #[test]
    fn a_python_is_called_after_what_it_runs() {
        for (words, expected) in [
            ("python3 /srv/app.py --port 80", "app.py"),
            ("/usr/bin/python3.12 /usr/bin/gunicorn app:app", "gunicorn"),
            ("python -m celery worker", "celery"),
            ("python -mcelery worker", "celery"),
            ("python3 -u -m http.server", "http.server"),
            ("python3 -Im flask run", "flask"),
            ("python -W ignore -X dev -Xutf8 job.py", "job.py"),
            ("python --check-hash-based-pycs always -- -x.py", "-x.py"),
            ("python3 /srv/tool/__main__.py", "tool"),
            ("python3 -c pass", "python3"),
            ("python3 -Sc pass x.py", "python3"),
            ("python3 -", "python3"),
            ("python3 /dev/fd/63 -v", "python3"),
            ("python3 /proc/self/fd/3", "python3"),
            ("python3 -u /dev/stdin", "python3"),
            ("python3", "python3"),
            (
                "/lib64/ld-linux-x86-64.so.2 /usr/bin/python3 app.py",
                "app.py",
            ),
            (
                "ld-linux-aarch64.so.1 --library-path /x/lib --argv0 python --inhibit-cache python3.14 -m http.server",
                "http.server",
            ),
            (
                "/lib/ld-musl-x86_64.so.1 --preload=x.so -- python3 /srv/app.py",
                "app.py",
            ),
            ("ld-2.31.so python3", "python3"),
            ("ld.so ld.so python3 a.py", "a.py"),
            ("python3 /nix/store/x/bin/.tool-wrapped", "tool"),
        ] {
            assert_eq!(name(words), expected, "{words}");
        }
    }

    #[test]
    fn a_hash_is_no_name() {
        assert!(is_of_cache(b"94c55e1046feb4ce211662bfeb608a2753c2bff2"));
        assert!(is_of_cache(b"pex"));
        assert!(!is_of_cache(b"94c55e1") && !is_of_cache(b"app.pex"));
    }

    #[test]
    fn other_programs_have_their_own_name() {
        assert_eq!(name("/usr/sbin/uwsgi --ini app.ini"), "uwsgi");
        assert_eq!(name("/opt/app/"), "/opt/app/");
        assert_eq!(name("/nix/store/x/bin/..tool-wrapped_ -x"), ".tool");
        assert_eq!(name("/lib64/ld-linux-x86-64.so.2 /opt/tool -x"), "tool");
        assert_eq!(
            name("/lib64/ld-linux-x86-64.so.2 --verify"),
            "ld-linux-x86-64.so.2"
        );
        assert_eq!(name("ld-tool a.py"), "ld-tool");
        assert_eq!(name(".-wrapped"), ".-wrapped");
        assert_eq!(name(""), "");
        assert_eq!(program_name(std::iter::empty()), None);
    }
}
