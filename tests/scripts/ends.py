"""Works until it reads a line, and then ends as its argument says: `abort` by a call, `segfault`
by an access to memory that is not there, `memory` by taking more and more of it.
"""
import ctypes
import json
import os
import sys
import threading


def work():
    number = 1
    while True:
        number = number * 3 + 1 & 65535


def take_all():
    kept = []
    while True:
        kept.append(bytearray(b"x" * (1 << 20)))


ends = {"abort": os.abort, "segfault": lambda: ctypes.string_at(0), "memory": take_all}
threading.Thread(target=work, daemon=True).start()
print(json.dumps({}), flush=True)
sys.stdin.readline()
ends[sys.argv[1]]()
