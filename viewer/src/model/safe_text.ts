// Makes text of unknown origin safe to show: what a reader cannot see, or what
// changes how its neighbours look, is written as \u{202e}. It refuses to judge
// what is visible. The ranges are those of sampler-user/src/escape.rs.

const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u{110bd}\u{110cd}\u{13430}-\u{1343f}\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]/gu;

/** The text with every such character written out. */
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
