"""A process with children that are a little busy, each 32 frames deep.

`bench_processes.py COUNT` forks COUNT of them. Each works for some tenth of a
millisecond and sleeps for ten, in turns. Prints a line when all run.

For each line of standard input it prints how many units of work all did so far.
Its children end with it.
"""

import mmap
import os
import struct
import sys
import time

DEPTH = 32
# The module, `main`, the child's function and the leaf.
OTHER = 4


def levels(length, leaf):
    names = {"leaf": leaf}
    lines = []
    for number in range(length):
        call = "level_%d(index)" % (number + 1) if number + 1 < length else "leaf(index)"
        lines.append("def level_%d(index):\n    return %s\n" % (number, call))
    exec(compile("\n".join(lines), "levels.py", "exec"), names)
    return names["level_0"]


def main():
    count = int(sys.argv[1])
    shared = mmap.mmap(-1, 8 * (count + 1))
    parent = os.getpid()

    def work(index):
        units = 0
        while os.getppid() == parent:
            total = 0
            for number in range(1500):
                total += number
            units += 1
            struct.pack_into("Q", shared, 8 * index, units)
            time.sleep(0.01)

    first = levels(DEPTH - OTHER, work)

    def child(index):
        first(index)
        os._exit(0)

    for index in range(count):
        if os.fork() == 0:
            child(index)
    while any(done == 0 for done in struct.unpack_from("%dQ" % count, shared)):
        time.sleep(0.01)
    print("ready", flush=True)
    for _ in sys.stdin:
        print(sum(struct.unpack_from("%dQ" % count, shared)), flush=True)


main()
