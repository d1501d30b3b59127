// SPDX-License-Identifier: MIT OR Apache-2.0

//! Makes text of unknown origin safe to print on a terminal. What is visible stays as it is.

use std::borrow::Cow;
use std::fmt::Write;

/// Escapes every character that a terminal obeys instead of showing, or that changes how
/// its neighbours look, as `\u{202e}` (or `\n`, `\t`, `\r`): control characters, escapes,
/// bidirectional marks, invisible characters, line separators, tags. Others choose the
/// names of processes, threads and files.
pub fn escape_for_terminal(text: &str) -> Cow<'_, str> {
    let Some((first, _)) = text.char_indices().find(|&(_, letter)| is_unsafe(letter)) else {
        return Cow::Borrowed(text);
    };
    let (safe, rest) = text.split_at(first);
    let mut escaped = String::with_capacity(text.len().saturating_add(16));
    escaped.push_str(safe);
    for letter in rest.chars() {
        match letter {
            '\n' | '\r' | '\t' => escaped.extend(letter.escape_default()),
            _ if is_unsafe(letter) => {
                write!(escaped, "\\u{{{:x}}}", u32::from(letter)).expect("a String takes any text");
            }
            _ => escaped.push(letter),
        }
    }
    Cow::Owned(escaped)
}

/// Escapes a text of several lines in the same way, but keeps line breaks and tabs.
pub fn escape_lines_for_terminal(text: &str) -> String {
    let lines = text.split('\n').map(|line| {
        let words: Vec<_> = line.split('\t').map(escape_for_terminal).collect();
        words.join("\t")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Escapes in a JSON text what a terminal would obey, as `\u202e`, which is the same text
/// to whoever reads the JSON. Only strings can hold such characters, except for the line
/// breaks between values, so `json` must be a single line.
pub fn escape_json_for_terminal(json: &str) -> Cow<'_, str> {
    let Some((first, _)) = json.char_indices().find(|&(_, letter)| is_unsafe(letter)) else {
        return Cow::Borrowed(json);
    };
    let (safe, rest) = json.split_at(first);
    let mut escaped = safe.to_owned();
    for letter in rest.chars() {
        if !is_unsafe(letter) {
            escaped.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            write!(escaped, "\\u{unit:04x}").expect("a String takes any text");
        }
    }
    Cow::Owned(escaped)
}

/// Whether a character is a control character or is listed by Unicode 16 as Cf, Zl, Zp or
/// Default_Ignorable_Code_Point (DerivedCoreProperties.txt). The ranges include
/// unassigned neighbours.
pub(crate) fn is_unsafe(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}'
            | '\u{34f}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_visible_stays_and_costs_nothing() {
        for text in [
            "gunicorn: worker [app]",
            "naïve café",
            "日本語",
            "🐍",
            r"C:\x",
            "",
        ] {
            assert!(matches!(escape_for_terminal(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn what_a_terminal_obeys_is_written_out() {
        for (text, expected) in [
            ("a\x1b[2Jb", "a\\u{1b}[2Jb"),
            ("line\r\n\tnext", "line\\r\\n\\tnext"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("user\u{202e}gpj.exe", "user\\u{202e}gpj.exe"),
            ("a\u{200b}\u{feff}b", "a\\u{200b}\\u{feff}b"),
            ("\u{2066}x\u{2069}", "\\u{2066}x\\u{2069}"),
            ("\u{e0041}", "\\u{e0041}"),
            ("bell\x07\0", "bell\\u{7}\\u{0}"),
            ("del\x7f", "del\\u{7f}"),
        ] {
            assert_eq!(escape_for_terminal(text), expected);
        }
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(
            escape_lines_for_terminal("a\n\tb\x1b[2J\r\n"),
            "a\n\tb\\u{1b}[2J\\r\n"
        );
    }

    #[test]
    fn json_says_the_same_once_it_is_escaped() {
        let text: String = ('\0'..=char::MAX).collect();
        let json = serde_json::to_string(&text).expect("is text");
        let escaped = escape_json_for_terminal(&json);
        assert!(!escaped.contains(is_unsafe));
        let read: String = serde_json::from_str(&escaped).expect("is JSON");
        assert!(read == text);
        assert!(matches!(
            escape_json_for_terminal("\"na\u{ef}ve\""),
            Cow::Borrowed(_)
        ));
    }

    #[test]
    fn what_is_escaped_needs_no_more_escaping() {
        let everything: String = ('\0'..=char::MAX).collect();
        let escaped = escape_for_terminal(&everything).into_owned();
        assert!(matches!(escape_for_terminal(&escaped), Cow::Borrowed(_)));
    }
}
