"""Threads of one process, for the cost of looking at them.

    bench_threads.py [--depth N] KIND COUNT [KIND COUNT ...]

`sleeping` sleep for ever; `mixed` sleep for some milliseconds and work for some
tenth of one, in turns; `pausing` do the same with a pause of 90 ms; `deep` are
busy and sleep for a moment now and then; `busy` never sleep, so that several
fight for the GIL; `released` are busy in C code that has released the GIL.

Their stacks have N frames, 32 unless it is given, each of a function of its own:
one that calls itself would be cheaper to record. Prints a line when all run.

For each line of standard input it prints how many units of work all threads did
so far. It ends with its standard input.
"""

import hashlib
import sys
import threading
import time
import zlib

# Frames of `threading` below ours, and the leaf's above.
OUTER, LEAF = 3, 1

ready = threading.Semaphore(0)
# Whether all have been started: thousands that are busy before would keep the one
# that starts them from the GIL for hours.
go = False
# Units of work, one element for each thread: so none waits for another.
units = []


def sleep_for_ever(index):
    ready.release()
    time.sleep(100000)


def sleep_and_work(index, pause=0.005):
    ready.release()
    while True:
        time.sleep(pause)
        total = 0
        for number in range(300):
            total += number
        units[index] += 1


def pause_and_work(index):
    sleep_and_work(index, 0.09)


def work(index):
    ready.release()
    while True:
        total = 0
        for number in range(30000):
            total += number
        units[index] += 1
        time.sleep(0.0001)


def work_only(index):
    ready.release()
    while not go:
        time.sleep(0.1)
    while True:
        total = 0
        for number in range(10000):
            total += number
        units[index] += 1


def compute_released(index):
    buffer = bytes(range(256)) * 2048
    ready.release()
    while True:
        hashlib.sha256(buffer).digest()
        zlib.crc32(buffer)
        units[index] += 1


KINDS = {
    "sleeping": sleep_for_ever,
    "mixed": sleep_and_work,
    "pausing": pause_and_work,
    "deep": work,
    "busy": work_only,
    "released": compute_released,
}


def chain(length):
    """The first of so many functions, each of which calls the next one."""
    names = {}
    lines = ["def level_%d(leaf, index):\n    return leaf(index)\n" % (length - 1)]
    for number in range(length - 1):
        call = "level_%d(leaf, index)" % (number + 1)
        lines.append("def level_%d(leaf, index):\n    return %s\n" % (number, call))
    exec(compile("\n".join(lines), "levels.py", "exec"), names)
    return names["level_0"]


def main():
    global go
    arguments = sys.argv[1:]
    depth = 32
    if arguments[0] == "--depth":
        depth = int(arguments[1])
        del arguments[:2]
    first = chain(depth - OUTER - LEAF)
    threads = []
    for kind, count in zip(arguments[::2], arguments[1::2]):
        threads += [KINDS[kind]] * int(count)
    units.extend([0] * len(threads))
    # Before 3.11 a Python frame is a frame of C too.
    sys.setrecursionlimit(depth + 1000)
    threading.stack_size((256 if depth < 100 else 4096) * 1024)
    for index, leaf in enumerate(threads):
        threading.Thread(target=first, args=(leaf, index), daemon=True).start()
    for _ in threads:
        ready.acquire()
    print("ready", flush=True)
    go = True
    for _ in sys.stdin:
        print(sum(units), flush=True)


main()
