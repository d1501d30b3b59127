// SPDX-License-Identifier: MIT OR Apache-2.0

// Makes text of unknown origin safe to show: a character that is invisible, or that changes
// how its neighbours look, is written as \u{202e}. The ranges are those of
// sampler-trace/src/escape.rs.

// biome-ignore-start lint/suspicious/noControlCharactersInRegex: they are what is looked for.
// biome-ignore-start lint/suspicious/noMisleadingCharacterClass: each is looked for alone.
const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u{110bd}\u{110cd}\u{13430}-\u{1343f}\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]/gu;
// biome-ignore-end lint/suspicious/noControlCharactersInRegex: as above.
// biome-ignore-end lint/suspicious/noMisleadingCharacterClass: as above.

/** Returns the text with every such character escaped. */
export function safeText(text: string): string {
  return text.replace(UNSAFE, (letter) => {
    switch (letter) {
      case "\n":
        return "\\n";
      case "\r":
        return "\\r";
      case "\t":
        return "\\t";
      default:
        return `\\u{${(letter.codePointAt(0) ?? 0).toString(16)}}`;
    }
  });
}
