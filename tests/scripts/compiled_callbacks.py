"""Compiled code, which has no frames of its own, between two functions of Python.
Marks are those of known_chain.py.

compiled_callbacks.py DIRECTORY
"""
import json
import sys

sys.path.insert(0, sys.argv[1])
import callbacks                            # noqa: E402


def spin():
    number = 1                              #: spin
    for _ in range(20000):                  #: spin
        number = (number * 3 + 1) & 65535   #: spin
    return number                           #: spin


def called():
    return spin()                           #: called > spin


def drive():
    caller = callbacks.Caller(called)
    while True:                                         #: drive
        callbacks.through_call(called)                  #: drive > called
        callbacks.through_c_function(called)            #: drive > called
        list(callbacks.through_generator(called))       #: drive > called
        len(caller)                                     #: drive > called


print(json.dumps({}), flush=True)
drive()                                     #: <module> > drive
