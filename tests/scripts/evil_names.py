"""Has names that a terminal would obey if they were printed as they are: of the
process, of a thread, of a function, and of this file as it was started. Busy.
"""
import ctypes
import json
import threading

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e"


def busy():
    number = 1
    while True:
        number = number * 3 + 1 & 65535


print(json.dumps({}), flush=True)
ctypes.CDLL(None).prctl(15, b"n\x1b[31mred", 0, 0, 0)
threading.current_thread().name = "t" + EVIL
busy.__code__ = busy.__code__.replace(co_name="f" + EVIL, co_filename="/no/" + EVIL)
busy()
