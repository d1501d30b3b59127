// SPDX-License-Identifier: MIT OR Apache-2.0

//! The encoding that a source file declares (PEP 263), and the conversion of its bytes to
//! text. A line with bytes that are no characters in the encoding has no text.

use std::borrow::Cow;

use encoding_rs as whatwg;

/// The byte order mark, which means UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// How the bytes of a file become text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Encoding {
    /// The encoding of a file that declares none.
    #[default]
    Utf8,
    /// Each byte is the character of that number.
    Latin1,
    /// Decoded as browsers do; for some of these encodings they know more characters than
    /// Python.
    Known(&'static whatwg::Encoding),
    /// The same, but some symbols are others in Python: pairs of the browsers' and
    /// Python's.
    Symbols(&'static whatwg::Encoding, &'static [(char, char)]),
    /// The same, without the characters that browsers put at 0x80 to 0x9f.
    WithoutC1(&'static whatwg::Encoding),
    /// ASCII, or an encoding that is not known here: only ASCII bytes have a text.
    Unknown,
}

/// Symbols of JIS X 0208, as browsers decode them and as Python's codecs `shift_jis`,
/// `euc_jp` and `iso2022_jp` do (Modules/cjkcodecs/mappings_jp.h).
const JIS: &[(char, char)] = &[
    ('\u{ff5e}', '\u{301c}'),
    ('\u{2225}', '\u{2016}'),
    ('\u{ff0d}', '\u{2212}'),
    ('\u{ffe0}', '\u{a2}'),
    ('\u{ffe1}', '\u{a3}'),
    ('\u{ffe2}', '\u{ac}'),
];

/// The same for GB 2312 (mappings_cn.h).
const GB2312: &[(char, char)] = &[('\u{b7}', '\u{30fb}'), ('\u{2014}', '\u{2015}')];
/// The same for Big5 (mappings_tw.h); Python's `cp950` agrees with browsers.
const BIG5: &[(char, char)] = &[
    ('\u{2027}', '\u{2022}'),
    ('\u{fe51}', '\u{ff64}'),
    ('\u{af}', '\u{203e}'),
    ('\u{ff5e}', '\u{223c}'),
    ('\u{2295}', '\u{2641}'),
    ('\u{2299}', '\u{2609}'),
    ('\u{2215}', '\u{ff0f}'),
    ('\u{fe68}', '\u{ff3c}'),
    ('\u{ffe5}', '\u{a5}'),
    ('\u{ffe0}', '\u{a2}'),
    ('\u{ffe1}', '\u{a3}'),
];

/// Returns a file without its byte order mark, and its encoding.
pub(super) fn declared(file: &[u8]) -> (&[u8], Encoding) {
    let marked = file.strip_prefix(MARK);
    let text = marked.unwrap_or(file);
    let encoding = match (cookie(text), marked) {
        (None, _) => Encoding::Utf8,
        (Some(name), None) => Encoding::named(name),
        // With a byte order mark, any other encoding is an error.
        (Some(name), Some(_)) if Encoding::named(name) == Encoding::Utf8 => Encoding::Utf8,
        (Some(_), Some(_)) => Encoding::Unknown,
    };
    (text, encoding)
}

/// Returns the name in a comment of the first line, or of the second where the first is a
/// comment or blank (`Parser/tokenizer/helpers.c`, `_PyTokenizer_check_coding_spec`).
fn cookie(text: &[u8]) -> Option<&[u8]> {
    let mut following = text;
    for _ in 0..2 {
        let line = next_line(&mut following)?;
        let blanks = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\x0c');
        let comment = &line[line.iter().take_while(blanks).count()..];
        if comment.is_empty() {
            continue;
        }
        if comment.first() != Some(&b'#') {
            return None;
        }
        let found = comment.windows(7).position(|word| {
            word.starts_with(b"coding") && matches!(word.last(), Some(b':' | b'='))
        });
        let Some(at) = found else {
            continue;
        };
        let rest = comment.get(at + 7..)?;
        let start = rest.iter().take_while(|it| matches!(it, b' ' | b'\t'));
        let rest = rest.get(start.count()..)?;
        let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        let length = rest.iter().take_while(is_name).count();
        if length > 0 {
            return rest.get(..length);
        }
    }
    None
}

/// Takes a line, which ends in LF, CR or both.
fn next_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    if rest.is_empty() {
        return None;
    }
    let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let length = rest.iter().position(is_end).unwrap_or(rest.len());
    let (line, after) = rest.split_at(length);
    let end = if after.starts_with(b"\r\n") { 2 } else { 1 };
    *rest = after.get(end..).unwrap_or_default();
    Some(line)
}

impl Encoding {
    /// Returns the encoding with this name or alias in CPython
    /// (Lib/encodings/aliases.py).
    fn named(name: &[u8]) -> Self {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        let name = name.replace('_', "-");
        let is = |of: &str| name == of || name.starts_with(&format!("{of}-"));
        if is("utf-8") || matches!(&*name, "utf8" | "u8" | "utf" | "cp65001") {
            return Self::Utf8;
        }
        if is("latin-1") || is("iso-8859-1") || is("iso-latin-1") {
            return Self::Latin1;
        }
        let compact: String = name.chars().filter(|it| *it != '-').collect();
        match &*compact {
            "latin1" | "l1" | "iso88591" | "8859" | "cp819" | "latin" => Self::Latin1,
            "shiftjis" | "sjis" | "csshiftjis" => Self::Symbols(whatwg::SHIFT_JIS, JIS),
            "eucjp" | "ujis" | "ujisx0208" => Self::Symbols(whatwg::EUC_JP, JIS),
            "iso2022jp" | "csiso2022jp" => Self::Symbols(whatwg::ISO_2022_JP, JIS),
            "gb2312" | "euccn" | "chinese" => Self::Symbols(whatwg::GBK, GB2312),
            "big5" | "big5tw" | "csbig5" => Self::Symbols(whatwg::BIG5, BIG5),
            "iso88599" | "latin5" | "l5" => Self::WithoutC1(whatwg::WINDOWS_1254),
            "iso885911" | "thai" | "tis620" => Self::WithoutC1(whatwg::WINDOWS_874),
            other => known(other).map_or(Self::Unknown, Self::Known),
        }
    }

    /// Returns the text; `None` if some of the bytes are no characters.
    pub(super) fn decode(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        if bytes.is_ascii() && !matches!(self, Self::Symbols(it, _) if it == whatwg::ISO_2022_JP) {
            return std::str::from_utf8(bytes).ok().map(Cow::Borrowed);
        }
        match self {
            Self::Utf8 => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Self::Latin1 => Some(bytes.iter().copied().map(char::from).collect()),
            Self::Known(encoding) | Self::Symbols(encoding, _)
                if encoding == whatwg::BIG5 && has_kana_of_big5(bytes) =>
            {
                None
            }
            Self::Known(encoding) => {
                encoding.decode_without_bom_handling_and_without_replacement(bytes)
            }
            Self::Symbols(encoding, symbols) => {
                let text = encoding.decode_without_bom_handling_and_without_replacement(bytes)?;
                let as_python = |found: char| {
                    let other = symbols.iter().find(|(browsers, _)| *browsers == found);
                    other.map_or(found, |(_, pythons)| *pythons)
                };
                Some(text.chars().map(as_python).collect())
            }
            Self::WithoutC1(encoding) => {
                let has_c1 = bytes.iter().any(|byte| (0x80..0xa0).contains(byte));
                (!has_c1)
                    .then(|| encoding.decode_without_bom_handling_and_without_replacement(bytes))?
            }
            Self::Unknown => None,
        }
    }
}

/// Whether a text in Big5 has bytes that Python and browsers decode to different letters:
/// from C6A1 to C8FE, which the standard leaves open.
fn has_kana_of_big5(bytes: &[u8]) -> bool {
    let mut bytes = bytes.iter();
    while let Some(lead) = bytes.next() {
        // A byte up to 0x80 is a character by itself.
        let trail = if *lead > 0x80 { bytes.next() } else { None };
        if matches!(lead, 0xc6..=0xc8) && trail.is_some_and(|trail| *lead > 0xc6 || *trail > 0x7e) {
            return true;
        }
    }
    false
}

/// Returns the encoding with this name, which must be without hyphens.
fn known(name: &str) -> Option<&'static whatwg::Encoding> {
    let page = name
        .strip_prefix("windows")
        .or_else(|| name.strip_prefix("cp"));
    Some(match page.unwrap_or(name) {
        "1250" => whatwg::WINDOWS_1250,
        "1251" => whatwg::WINDOWS_1251,
        "1252" => whatwg::WINDOWS_1252,
        "1253" => whatwg::WINDOWS_1253,
        "1254" => whatwg::WINDOWS_1254,
        "1255" => whatwg::WINDOWS_1255,
        "1256" => whatwg::WINDOWS_1256,
        "1257" => whatwg::WINDOWS_1257,
        "1258" => whatwg::WINDOWS_1258,
        "866" | "ibm866" => whatwg::IBM866,
        "874" => whatwg::WINDOWS_874,
        "932" | "31j" | "ms932" | "mskanji" => whatwg::SHIFT_JIS,
        "936" | "gbk" | "ms936" => whatwg::GBK,
        "gb18030" | "gb180302000" => whatwg::GB18030,
        "949" | "ms949" | "uhc" | "euckr" | "korean" | "ksc5601" | "ksx1001" => whatwg::EUC_KR,
        "950" | "ms950" | "big5hkscs" => whatwg::BIG5,
        "koi8r" | "cskoi8r" => whatwg::KOI8_R,
        "koi8u" => whatwg::KOI8_U,
        "macroman" | "macintosh" => whatwg::MACINTOSH,
        "maccyrillic" => whatwg::X_MAC_CYRILLIC,
        "iso88592" | "latin2" | "l2" => whatwg::ISO_8859_2,
        "iso88593" | "latin3" | "l3" => whatwg::ISO_8859_3,
        "iso88594" | "latin4" | "l4" => whatwg::ISO_8859_4,
        "iso88595" | "cyrillic" => whatwg::ISO_8859_5,
        "iso88596" | "arabic" => whatwg::ISO_8859_6,
        "iso88597" | "greek" | "greek8" => whatwg::ISO_8859_7,
        "iso88598" | "hebrew" => whatwg::ISO_8859_8,
        "iso885910" | "latin6" | "l6" => whatwg::ISO_8859_10,
        "iso885913" | "latin7" | "l7" => whatwg::ISO_8859_13,
        "iso885914" | "latin8" | "l8" => whatwg::ISO_8859_14,
        "iso885915" | "latin9" | "l9" => whatwg::ISO_8859_15,
        "iso885916" | "latin10" | "l10" => whatwg::ISO_8859_16,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_declared() {
        for (file, expected) in [
            ("# -*- coding: latin-1 -*-\nx", Encoding::Latin1),
            (
                "#!/usr/bin/python\r\n# vim: set fileencoding=gbk :\r\nx",
                Encoding::Known(whatwg::GBK),
            ),
            ("#!x\r# coding=koi8-r\rx", Encoding::Known(whatwg::KOI8_R)),
            (
                "\n# coding: cp1251\n",
                Encoding::Known(whatwg::WINDOWS_1251),
            ),
            (
                "\r\n# coding: cp1251\n",
                Encoding::Known(whatwg::WINDOWS_1251),
            ),
            ("\x0c # coding:\tUTF_8-unix\n", Encoding::Utf8),
            (
                "# coding of this: none\n# coding: big5",
                Encoding::Symbols(whatwg::BIG5, BIG5),
            ),
            ("import x\n# coding: latin-1\n", Encoding::Utf8),
            ("\n\n# coding: latin-1\n", Encoding::Utf8),
            ("#!x\n\n# coding: latin-1\n", Encoding::Utf8),
            ("\n#x\n# coding: latin-1\n", Encoding::Utf8),
            ("\r\r# coding: latin-1\r", Encoding::Utf8),
            ("x = 'coding: latin-1'\n", Encoding::Utf8),
            ("# coding: punycode\n", Encoding::Unknown),
            ("# coding:", Encoding::Utf8),
            ("", Encoding::Utf8),
        ] {
            assert_eq!(declared(file.as_bytes()).1, expected, "{file:?}");
        }
        let marked = b"\xef\xbb\xbf# coding: utf-8\n";
        assert_eq!(declared(marked), (&marked[3..], Encoding::Utf8));
        assert_eq!(
            declared(b"\xef\xbb\xbf# coding: latin-1\n").1,
            Encoding::Unknown
        );
    }

    /// Bytes and texts are those of Python's codecs.
    #[test]
    fn decodes_as_python_does() {
        let decoded = |name: &str, bytes: &[u8]| {
            let text = Encoding::named(name.as_bytes()).decode(bytes);
            text.map(Cow::into_owned)
        };
        for (name, bytes, expected) in [
            ("utf-8", &b"caf\xc3\xa9"[..], Some("café")),
            ("utf-8", b"caf\xe9", None),
            ("latin-1", b"caf\xe9 \x80", Some("café \u{80}")),
            ("iso-8859-9", b"\xfd", Some("ı")),
            ("iso-8859-9", b"\x80", None),
            ("iso8859-15", b"\xa4", Some("€")),
            ("cp1252", b"\x80", Some("€")),
            ("windows-1251", b"\xef\xf0\xe8", Some("при")),
            ("gbk", b"\xd6\xd0\xce\xc4", Some("中文")),
            ("gb2312", b"\xd6\xd0\xce\xc4", Some("中文")),
            ("gb18030", b"\x81\x30\x81\x30", Some("\u{80}")),
            ("shift_jis", b"\x93\xfa\x96{\x8c\xea", Some("日本語")),
            ("shift_jis", b"\x81\x60\x81\x7c", Some("\u{301c}\u{2212}")),
            ("cp932", b"\x81\x60\x81\x7c", Some("\u{ff5e}\u{ff0d}")),
            ("euc-jp", b"\xc6\xfc\xcb\xdc\xa1\xc1", Some("日本\u{301c}")),
            ("iso-2022-jp", b"\x1b$BF|K\\\x1b(B", Some("日本")),
            ("euc_kr", b"\xc7\xd1", Some("한")),
            ("big5", b"\xa4\xa4\xa1\xe3", Some("中\u{223c}")),
            ("cp950", b"\xa1\xe3", Some("\u{ff5e}")),
            ("big5", b"\xa4\xc6 \xc6\x40", Some("化 \u{8b96}")),
            ("big5", b"\xc6\xa1", None),
            ("gb2312", b"\xa1\xaa", Some("\u{2015}")),
            ("tis-620", b"\x80", None),
            ("koi8-r", b"\xd0\xd2\xc9", Some("при")),
            ("ascii", b"plain", Some("plain")),
            ("ascii", b"\xe9", None),
            ("rot13", b"plain", Some("plain")),
        ] {
            assert_eq!(decoded(name, bytes).as_deref(), expected, "{name}");
        }
    }
}
