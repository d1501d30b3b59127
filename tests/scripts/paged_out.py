"""A deep stack whose outer frames are paged out, by the library that it is given. Where
the fields of this interpreter are comes after it.
"""
import ctypes
import os
import sys

library = ctypes.PyDLL(sys.argv[1])


def layer():
    pass


ctypes.pythonapi.PyThreadState_Get.restype = ctypes.c_void_p
library.run(
    (ctypes.c_int * 6)(*map(int, sys.argv[2:8])),
    ctypes.c_void_p(ctypes.pythonapi.PyThreadState_Get()),
    ctypes.c_void_p(id(layer.__code__)),
    os.path.join(os.path.dirname(os.path.abspath(__file__)), "frames").encode(),
)
