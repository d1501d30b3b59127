"""Prints what this interpreter says about the lines of its own standard library.

Usage: line_tables.py STRIDE. Compiles every STRIDE-th .py file under the
directory of the standard library and writes, for each code object, one record
to standard output (little endian):

    u8   kind: 0 co_lnotab (to 3.9), 1 co_linetable of 3.10, 2 from 3.11
    i32  co_firstlineno
    u32  code units
    u32  bytes of table
    u32  runs
         the table
         runs of (u32 first code unit, i32 line; -2**31 is "no line")

A run ends where the next begins. The lines come from co_lines() or, up to 3.9,
from dis.findlinestarts(). A last record of kind 255 says how many files were
compiled and how many code objects there were (u32, u32).
"""

import dis
import os
import struct
import sys
import sysconfig
import warnings

NO_LINE = -(2**31)
KIND = 2 if sys.version_info >= (3, 11) else 1 if sys.version_info >= (3, 10) else 0


def source_files():
    found = []
    root = sysconfig.get_path("stdlib")
    for directory, below, names in os.walk(root):
        below[:] = [name for name in below if name not in ("site-packages", "dist-packages")]
        found += [os.path.join(directory, name) for name in names if name.endswith(".py")]
    # A distribution links some to files that an unpacked root does not have.
    return sorted(path for path in found if os.path.isfile(path))


def runs(code):
    """Where each line starts, in bytes of code, as the interpreter says."""
    if KIND:
        return [
            (start, NO_LINE if line is None else line)
            for start, end, line in code.co_lines()
            if start < end
        ]
    return list(dis.findlinestarts(code))


def write(code, out):
    table = code.co_linetable if KIND else code.co_lnotab
    lines = runs(code)
    out.write(
        struct.pack(
            "<BiIII", KIND, code.co_firstlineno, len(code.co_code) // 2, len(table), len(lines)
        )
    )
    out.write(table)
    for start, line in lines:
        out.write(struct.pack("<Ii", start // 2, line))


def main():
    out = sys.stdout.buffer
    warnings.simplefilter("ignore")
    files = objects = 0
    for path in source_files()[:: int(sys.argv[1])]:
        with open(path, "rb") as file:
            source = file.read()
        try:
            waiting = [compile(source, path, "exec", 0, True)]
        except (SyntaxError, ValueError, RecursionError):
            # The test suite keeps files that must not compile.
            continue
        files += 1
        while waiting:
            code = waiting.pop()
            objects += 1
            write(code, out)
            waiting += [item for item in code.co_consts if isinstance(item, type(code))]
    out.write(struct.pack("<BII", 255, files, objects))


main()
