"""A recursion of the depth given as an argument, busy at its end."""
import json
import sys


def busy():
    number = 1
    print(json.dumps({}), flush=True)
    while True:                             #: busy
        number = (number * 3 + 1) & 65535   #: busy


def down(depth):
    if depth == 1:
        busy()                              #: down > busy
    down(depth - 1)                         #: down > down


depth = int(sys.argv[1])
sys.setrecursionlimit(depth + 100)
down(depth)                                 #: <module> > down
