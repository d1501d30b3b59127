"""As many interpreters as the argument says, and two threads of the main one that
compute."""
import json
import sys
import threading

raw = None
for name in ("_interpreters", "_xxsubinterpreters"):
    try:
        raw = raw or __import__(name)
    except ImportError:
        pass


def leaf():
    return sum(range(500))


def top():
    while True:
        leaf()


if raw is not None:
    others = [raw.create() for _ in range(int(sys.argv[1]))]
threading.Thread(target=top, name="named", daemon=True).start()
print(json.dumps({"available": raw is not None}), flush=True)
top()
