"""Writes hostile.json: a timeline whose names try to break every format.

A lone half of a surrogate pair, what ends a script, an element, a line or a
stack in some format, what turns a terminal's text around, and ends of names
that look like counts. Run it again after a change:

    python3 hostile.py > hostile.json
"""

import json
import sys

NAMES = [
    "a;b\nc\r\nd",
    "</script><script>alert(1)</script>",
    "]]>&amp;<!-- -- \"'",
    "user\u202egnp.exe\u2066\u200b\ufeff",
    "nul\0bell\a\x1b[2J\x7f\u0085\u2028\u2029",
    "half \ud800 pair \ud83d\udc0d",
    "looks like a count 12",
    "1 2",
    " leading and trailing ",
    "",
    "\\u0041 \\n \\",
    "x" * 300,
    "\ufffe\uffff",
    "[lock]",
    "process 1:\"x\"",
]


def frame(number, line):
    name = NAMES[number % len(NAMES)]
    return [f"/srv/{NAMES[(number + 7) % len(NAMES)]}.py", line, name, name]


def rows(start, ident, name, salt):
    for step in range(40):
        depth = 1 + (step * 7 + salt) % 9
        stack = [frame(salt + level * (1 + step % 3), level) for level in range(depth)]
        yield [start + step * 0.01, ident, name, stack if step % 11 != 5 else []]


def main():
    start = 1352241181.5
    threads = [
        ("Main;Thread\n\"quoted\" 7", 1234, 1234, "web </title>"),
        ("worker\u202e 1", 1234, 1235, "web </title>"),
        ("", 1240, 1240, "\x1b[31m;x 3"),
    ]
    out, about, states = [], [], []
    for number, (name, pid, tid, process) in enumerate(threads):
        first = len(out)
        for row in rows(start + number * 0.003, 7, name, number):
            out.append(row)
            states.append([1, 3, 5][len(out) % 3] if row[3] else 0)
        out.append([start + 0.6, 7, name, []])
        states.append(0)
        about.append(
            {
                "rows": [first, len(out)],
                "pid": pid,
                "tid": tid,
                "name": name,
                "process": process,
                "cmdline": "python </script> ; " + NAMES[4],
            }
        )
    sentinel = {
        "pyebpf": 1,
        "order": "thread",
        "hz": 100,
        "mode": "wall",
        "host": "host</title>\u202e",
        "start_us": int(start * 1e6),
        "threads": about,
        "counts": {"</script>;\n": 3},
        "cols": {"state": states},
    }
    out.append([start + 0.7, None, None, [], sentinel])
    json.dump(out, sys.stdout, indent=None, separators=(",", ":"))
    print()


main()
