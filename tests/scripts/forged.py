"""Spoils its own memory where a profiler reads it, as each line of its input
says, while one thread is deep in C code that does not look there.

Field offsets are found by looking for known values, so that it works in any
version whose frames are C structures of words.
"""
import ctypes
import gc
import hashlib
import json
import sys
import threading

gc.disable()
frames = []
inside = threading.Event()


def innermost():
    frames.append(sys._getframe())
    inside.set()
    # Some hours.
    hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 2000000000)


def middle():
    innermost()


def outermost():
    middle()


def word(address):
    return ctypes.c_uint64.from_address(address)


def frame_address(frame):
    """The interpreter's own frame: the object itself up to 3.10."""
    return id(frame) if sys.version_info < (3, 11) else word(id(frame) + 24).value


def field(start, words, value):
    """The address of the word that holds `value`; its two lowest bits may be tags."""
    for address in range(start, start + 8 * words, 8):
        if word(address).value & ~3 == value:
            return address
    raise LookupError("no such word")


thread = threading.Thread(target=outermost, name="victim", daemon=True)
thread.start()
inside.wait()
inner, mid = frames[0], frames[0].f_back
inner_frame, mid_frame = frame_address(inner), frame_address(mid)
code = mid.f_code
NAME = "co_qualname" if sys.version_info >= (3, 11) else "co_name"
TABLE = "co_linetable" if sys.version_info >= (3, 10) else "co_lnotab"
inner_previous = field(inner_frame, 16, mid_frame)
mid_previous = field(mid_frame, 16, frame_address(mid.f_back))
mid_code = field(mid_frame, 16, id(code))
code_name = field(id(code), 40, id(getattr(code, NAME)))
code_file = field(id(code), 40, id(code.co_filename))
not_code = {}
LADDER = 50000
SIZE = 512
ladder = ctypes.create_string_buffer(LADDER * SIZE + 16)


def make_ladder():
    """A chain of frames without an end in sight, each a copy of the innermost."""
    start = (ctypes.addressof(ladder) + 15) & ~15
    previous = inner_previous - inner_frame
    for step in range(LADDER):
        place = start + step * SIZE
        ctypes.memmove(place, inner_frame, 128)
        word(place + previous).value = place + SIZE if step + 1 < LADDER else 0
    return start


WAYS = {
    "previous is the frame itself": lambda: [(inner_previous, inner_frame)],
    "two frames in a circle": lambda: [(mid_previous, inner_frame)],
    "previous is not mapped": lambda: [(mid_previous, 0x1000)],
    "previous is no address": lambda: [(mid_previous, 0xDEADBEEFDEADBEE0)],
    "previous is missing": lambda: [(mid_previous, 0)],
    "a chain without end": lambda: [(mid_previous, make_ladder())],
    "code is not mapped": lambda: [(mid_code, 0x1000)],
    "code is no address": lambda: [(mid_code, 0xDEADBEEFDEADBEE0)],
    "code is something else": lambda: [(mid_code, id(not_code))],
    "type of code is not mapped": lambda: [(id(code) + 8, 0x1000)],
    "name is not mapped": lambda: [(code_name, 0x1000)],
    "name is something else": lambda: [(code_name, id(not_code))],
    "file is no address": lambda: [(code_file, 0xDEADBEEFDEADBEE0)],
    "name has a huge length": lambda: [(id(getattr(code, NAME)) + 16, 2**62)],
    "name has a negative length": lambda: [(id(getattr(code, NAME)) + 16, 2**64 - 1)],
    "line table has a huge length": lambda: [(id(getattr(code, TABLE)) + 16, 2**62)],
}

print(json.dumps(sorted(WAYS)), flush=True)
for line in sys.stdin:
    saved = []
    for address, value in WAYS[line.strip()]():
        saved.append((address, word(address).value))
        word(address).value = value
    print("{}", flush=True)
    sys.stdin.readline()
    for address, value in saved:
        word(address).value = value
