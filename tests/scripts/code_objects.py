"""Code objects of every kind, which wait until standard input ends.

Prints, for a test that reads them from outside:

    process PID
    code ADDRESS FIRST_LINE UNITS TABLE FILE NAME
        the address of a code object and the number of its code units; line
        table, file name and (qualified) name as hexadecimal, texts as UTF-8
        with U+FFFD for what is no character
    ready
"""

import argparse
import json.decoder
import os
import sys
import threading
import types
import typing

GENERATED = [
    ("caf\xe9.py", "def caf\xe9(): pass\n"),
    ("\u4e16\u754c.py", "class \u03bb:\n def \u4e16(self): return lambda: [1 for x in ()]\n"),
    ("snake \U0001f40d.py", "def \U00010400(): pass\n"),
    ("undecodable \udcff.py", "def plain(): pass\n"),
    ("", "\n" * 70000 + "def far_below(): pass\n"),
    ("long.py", "def long():\n" + " x = (1,\n\n 2)\n" * 20000),
    ("long name.py", "def %s(): pass\n" % ("n" * 5000)),
]


def nested(code):
    yield code
    for item in code.co_consts:
        if isinstance(item, types.CodeType):
            yield from nested(item)


def codes():
    for module in (argparse, json.decoder, threading, typing):
        with open(module.__file__, encoding="utf-8") as file:
            yield compile(file.read(), module.__file__, "exec")
    for name, source in GENERATED:
        yield compile(source, name, "exec")
    yield main.__code__


def text(value):
    def shown(one):
        if "\udc80" <= one <= "\udcff":
            return "\\x%02x" % (ord(one) - 0xDC00)
        return "\ufffd" if "\ud800" <= one <= "\udfff" else one

    return "".join(map(shown, value)).encode("utf-8").hex() or "-"


def table(code):
    return code.co_linetable if sys.version_info >= (3, 10) else code.co_lnotab


def main():
    keep = list(codes())
    print("process", os.getpid())
    for outer in keep:
        for code in nested(outer):
            name = getattr(code, "co_qualname", code.co_name)
            print(
                "code",
                id(code),
                code.co_firstlineno,
                len(code.co_code) // 2,
                table(code).hex() or "-",
                text(code.co_filename),
                text(name),
            )
    print("ready", flush=True)
    sys.stdin.read()


main()
