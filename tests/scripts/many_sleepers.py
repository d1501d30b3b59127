"""Two threads compute, one of them older than as many others as the argument says (600),
which sleep."""
import json
import sys
import threading
import time


def leaf():
    return sum(range(500))


def top():
    while True:
        leaf()


def sleep():
    time.sleep(100000)


# A program that has Python in it may give none.
arguments = getattr(sys, "argv", [])[1:]
threading.stack_size(256 * 1024)
threading.Thread(target=top, name="early", daemon=True).start()
for _ in range(int(arguments[0]) if arguments else 600):
    threading.Thread(target=sleep, name="late", daemon=True).start()
print(json.dumps({}), flush=True)
top()
