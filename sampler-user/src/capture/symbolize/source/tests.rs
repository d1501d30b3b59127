// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tests with files that are older or younger than a process, and with a process that has
//! gone to another directory.

use std::fs;
use std::process::{Child, Command};

use super::*;

const TEXT: &str = "def work():\n    return 'the true text'\n\nwork()\n";
const OTHER: &str = "def play():\n    return 'another text'\n\nplay()\n";
const TAG: &str = "cpython-312";
const TABLE: &[u8] = b"\x80\x01\xd8\x0c\x0e";

/// A directory that is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("pyebpf-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a name of ours");
        Self(path.canonicalize().expect("it was made"))
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("ours");
        fs::write(&path, text).expect("ours");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// A process that does nothing, and how it sees files.
struct Process(Child, Arc<FileView>);

impl Process {
    fn start(started_in: &Path, is_now_in: &Path) -> Self {
        let child = Command::new("sleep")
            .arg("600")
            .current_dir(is_now_in)
            .env("PWD", started_in)
            .spawn()
            .expect("it is there");
        // Its program has begun once it has its environment, which comes after its name.
        let environment = format!("/proc/{}/environ", child.id());
        let own = format!("PWD={}\0", text_of(started_in)).into_bytes();
        let has_own = |all: Vec<u8>| all.windows(own.len()).any(|it| it == own);
        while !fs::read(&environment).is_ok_and(has_own) {
            std::thread::yield_now();
        }
        let view = FileView::open_root(child.id()).expect("it lives");
        Self(child, Arc::new(view))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn place<'a>(file: &'a str, function: &'a str, first_line: u32, line: u32) -> CodeLine<'a> {
    CodeLine {
        file,
        function,
        first_line,
        line,
        line_table: TABLE,
    }
}

fn shown(process: &Process, place: CodeLine<'_>, others: &[CodeLine<'_>]) -> String {
    Sources::default().line(&process.1, TAG, &place, others)
}

fn text_of(path: &Path) -> &str {
    path.to_str().expect("our name")
}

#[test]
fn shows_what_has_not_changed_since_and_has_its_name() {
    let directory = Scratch::new("source-old");
    let path = directory.write("app.py", TEXT);
    let template = directory.write("page.html", "<html>\n{{ work }}\n</html>\n\n");
    let process = Process::start(&directory.0, &directory.0);
    let (app, page) = (text_of(&path), text_of(&template));
    for (place, expected) in [
        (place(app, "work", 1, 2), "return 'the true text'"),
        (place("app.py", "work", 1, 2), "return 'the true text'"),
        (place(app, "<module>", 1, 4), "work()"),
        (place(app, "<module>", 1, 2), ""),
        (place(app, "play", 1, 2), ""),
        (place(app, "work", 2, 2), ""),
        (place(app, "work", 1, 0), ""),
        (place(app, "work", 1, 100_000), ""),
        (place(page, "work", 1, 2), ""),
        (place(page, "<module>", 1, 2), ""),
        (place(page, "<lambda>", 2, 2), ""),
        (place("<string>", "work", 1, 2), ""),
        (place("no such file", "work", 1, 2), ""),
    ] {
        assert_eq!(shown(&process, place, &[]), expected, "{place:?}");
    }
    // Another function of the file is not where its code says.
    let module = place(app, "<module>", 1, 4);
    assert_eq!(shown(&process, module, &[place(app, "play", 1, 2)]), "");
}

#[test]
fn a_process_that_went_elsewhere_shows_its_own_text_or_none() {
    let [work, other] = ["source-work", "source-other"].map(Scratch::new);
    work.write("app.py", TEXT);
    work.write("tool", TEXT);
    other.write("app.py", OTHER);
    other.write("tool", TEXT.replace("true", "wrong"));
    let process = Process::start(&work.0, &other.0);
    for (place, expected) in [
        (place("app.py", "work", 1, 2), "return 'the true text'"),
        (place("app.py", "<module>", 1, 4), ""),
        (place("tool", "work", 1, 2), ""),
        (place("tool", "work", 1, 1), "def work():"),
    ] {
        assert_eq!(shown(&process, place, &[]), expected, "{place:?}");
    }
    let module = place("app.py", "<module>", 1, 4);
    assert_eq!(
        shown(&process, module, &[place("app.py", "work", 1, 2)]),
        "work()"
    );
}

/// The code was compiled from the old text, whatever is in its place by now.
#[test]
fn what_changed_after_the_start_needs_its_pyc() {
    let directory = Scratch::new("source-new");
    let path = directory.write("app.py", TEXT);
    let process = Process::start(&directory.0, &directory.0);
    let file = fs::File::options().write(true).open(&path).expect("ours");
    let later = SystemTime::now() + Duration::from_secs(60);
    file.set_modified(later).expect("ours");
    let seconds = later
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("later")
        .as_secs();
    let line = place(text_of(&path), "work", 1, 2);
    assert_eq!(shown(&process, line, &[]), "");

    let pyc = |flags: u32, source: [u32; 2], table: &[u8]| {
        let words = [0x0a0d_0dcb, flags, source[0], source[1]];
        let header = words.into_iter().flat_map(u32::to_le_bytes);
        let code = b"\xe3code".iter().chain(table).copied();
        directory.write(
            "__pycache__/app.cpython-312.pyc",
            header.chain(code).collect::<Vec<_>>(),
        );
        shown(&process, line, &[])
    };
    let size = TEXT.len() as u32;
    let time = seconds as u32;
    let shown = "return 'the true text'";
    assert_eq!(pyc(0, [time, size], TABLE), shown);
    assert_eq!(pyc(0, [time - 1, size], TABLE), "");
    assert_eq!(pyc(0, [time, size + 1], TABLE), "");
    assert_eq!(pyc(0, [time, size], b"\x80\x01\xd8\x0c\x0f"), "");
    let hash = pyc::siphash((1, 3), 0x0a0d_0dcb, TEXT.as_bytes());
    let halves = [hash as u32, (hash >> 32) as u32];
    assert_eq!(pyc(3, halves, TABLE), shown);
    assert_eq!(pyc(3, [halves[0], halves[1] ^ 1], TABLE), "");
}

/// For a process that starts later, the file counts as it is then.
#[test]
fn a_file_is_read_again_for_a_later_program() {
    let directory = Scratch::new("source-again");
    let path = directory.write("app.py", TEXT);
    let mut sources = Sources::default();
    let mut line = |process: &Process| {
        let line = place(text_of(&path), "work", 1, 2);
        sources.line(&process.1, TAG, &line, &[])
    };
    let first = Process::start(&directory.0, &directory.0);
    assert_eq!(line(&first), "return 'the true text'");
    directory.write("app.py", TEXT.replace("true", "newer"));
    let second = Process::start(&directory.0, &directory.0);
    assert_eq!(line(&second), "return 'the newer text'");
}
