"""Starts short processes at a steady rate, by the library that it is given."""
import ctypes
import json
import sys

library, seconds, rate = ctypes.CDLL(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])


def in_storm():
    return library.storm(seconds, rate, b"/bin/true")


print(json.dumps({}), flush=True)
sys.stdin.readline()
print(json.dumps({"started": in_storm()}), flush=True)
sys.stdin.read()
