"""Frames that C code pushes itself, as compilers of Python do, by the library that it is
given. Which kind, and where the fields of this interpreter are, comes after it.
Marks are those of known_chain.py.
"""
import ctypes
import gc
import json
import sys

library = ctypes.CDLL(sys.argv[1])
kind = int(sys.argv[2])


class Work(ctypes.Structure):
    _fields_ = [
        ("kind", ctypes.c_int),
        ("offsets", ctypes.c_int * 10),
        ("calls", ctypes.c_void_p * 4),
        ("codes", ctypes.c_void_p * 2),
        ("lines", ctypes.c_int * 4),
    ]


def outer():
    first = 1
    inner()


def inner():
    first = 1
    called()


@ctypes.CFUNCTYPE(None)                     #: called
def called():
    number = 1                              #: called
    for _ in range(20000):                  #: called
        number = (number * 3 + 1) & 65535   #: called


# Nobody may look at frames that only look like some.
gc.disable()
module = compile("pass\n", __file__, "exec")
functions = ("PyGILState_Ensure", "PyThreadState_Get", "PyGILState_Release")
calls = [ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p) for name in functions]
calls.append(ctypes.cast(called, ctypes.c_void_p))
first = outer.__code__.co_firstlineno
work = Work(
    kind,
    (ctypes.c_int * 10)(*map(int, sys.argv[3:13])),
    (ctypes.c_void_p * 4)(*[call.value for call in calls]),
    (ctypes.c_void_p * 2)(id(module if kind == 2 else outer.__code__), id(inner.__code__)),
    (ctypes.c_int * 4)(first + 1, first + 2, first + 6, first + 7),
)
assert library.start(ctypes.byref(work)) == 0
print(json.dumps({"first": first}), flush=True)
sys.stdin.read()
