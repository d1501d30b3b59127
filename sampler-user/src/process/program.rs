//! The name of what a process runs, from its command line: the script or module of
//! a Python, the program of anything else. It refuses to know whether it is one.

/// The name of the program that `arguments` start: for an interpreter of Python the
/// file name of its script or its module (`-m`), for any other program its own file
/// name. `None` when nothing is named.
pub(super) fn program_name<'a>(mut arguments: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let program = file_name(arguments.next()?);
    if !program.starts_with(b"python") && !program.starts_with(b"pypy") {
        return Some(program);
    }
    Some(subject(arguments).unwrap_or(program))
}

/// What an interpreter with these arguments runs; see `Python/getopt.c`.
fn subject<'a>(mut arguments: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    while let Some(argument) = arguments.next() {
        let Some(options) = argument.strip_prefix(b"-") else {
            return Some(script_name(argument));
        };
        match options {
            // Standard input.
            b"" => return None,
            b"-" => return arguments.next().map(script_name),
            b"-check-hash-based-pycs" => {
                arguments.next();
            }
            // Other long options.
            [b'-', ..] => {}
            cluster => {
                // One letter each; the rest of the word, or the next one, is what
                // belongs to the first letter that wants something.
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

/// The file name of a script; of a directory's `__main__.py` that of the directory.
fn script_name(path: &[u8]) -> &[u8] {
    match path.strip_suffix(b"/__main__.py") {
        Some(directory) if !directory.is_empty() => file_name(directory),
        _ => file_name(path),
    }
}

fn file_name(path: &[u8]) -> &[u8] {
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
            ("python3", "python3"),
        ] {
            assert_eq!(name(words), expected, "{words}");
        }
    }

    #[test]
    fn other_programs_have_their_own_name() {
        assert_eq!(name("/usr/sbin/uwsgi --ini app.ini"), "uwsgi");
        assert_eq!(name("/opt/app/"), "/opt/app/");
        assert_eq!(name(""), "");
        assert_eq!(program_name(std::iter::empty()), None);
    }
}
