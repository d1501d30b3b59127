"""Threads that C code made call into Python, by the library that it is given.
Marks are those of known_chain.py.
"""
import ctypes
import json
import sys
import threading

library = ctypes.CDLL(sys.argv[1])
COUNT = 2
seen = set()
all_seen = threading.Event()


def spin():
    number = 1                              #: spin
    for _ in range(20000):                  #: spin
        number = (number * 3 + 1) & 65535   #: spin
    return number                           #: spin


@ctypes.CFUNCTYPE(None, ctypes.c_int)       #: called
def called(number):
    seen.add(number)                        #: called
    if len(seen) == COUNT:                  #: called
        all_seen.set()                      #: called > set
    spin()                                  #: called > spin


library.start(COUNT, called)
all_seen.wait()
print(json.dumps({}), flush=True)
sys.stdin.read()
