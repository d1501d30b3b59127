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


def early():
    begin.acquire()
    top()


def sleep():
    time.sleep(100000)


# Held until all are there: the others would wait for the GIL, each for its turn.
begin = threading.Lock()
begin.acquire()
# A program that has Python in it may give none.
arguments = getattr(sys, "argv", [])[1:]
threading.stack_size(256 * 1024)
threading.Thread(target=early, name="early", daemon=True).start()
for _ in range(int(arguments[0]) if arguments else 600):
    threading.Thread(target=sleep, name="late", daemon=True).start()
begin.release()
print(json.dumps({}), flush=True)
top()
