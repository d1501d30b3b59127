"""Becomes the program of its arguments, once told to; busy for a while before."""
import json
import os
import sys
import time


def before():
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        pass


print(json.dumps({}), flush=True)
sys.stdin.readline()
before()
os.execv(sys.argv[1], sys.argv[1:])
