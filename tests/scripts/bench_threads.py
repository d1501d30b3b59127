"""Many threads, 24 frames deep each, for the cost of looking at all of them.

`sleeping COUNT` sleep for ever; `mixed COUNT` sleep for some milliseconds and
work for a tenth of one, in turns; `deep COUNT` are busy, 32 frames deep, and
sleep for a moment now and then. Prints a line when all run.
"""
import json
import sys
import threading
import time

ready = threading.Semaphore(0)


def nested(depth, leaf):
    if depth > 1:
        return nested(depth - 1, leaf)
    return leaf()


def sleep_for_ever():
    ready.release()
    time.sleep(100000)


def sleep_and_work():
    ready.release()
    while True:
        time.sleep(0.005)
        total = 0
        for number in range(300):
            total += number


def work():
    ready.release()
    while True:
        total = 0
        for number in range(30000):
            total += number
        time.sleep(0.0001)


KINDS = {"sleeping": (22, sleep_for_ever), "mixed": (22, sleep_and_work), "deep": (30, work)}

depth, leaf = KINDS[sys.argv[1]]
count = int(sys.argv[2])
threading.stack_size(256 * 1024)
for _ in range(count):
    threading.Thread(target=nested, args=(depth, leaf), daemon=True).start()
for _ in range(count):
    ready.acquire()
print(json.dumps({}), flush=True)
sys.stdin.read()
