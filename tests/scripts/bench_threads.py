"""Many threads, 24 frames deep each, for the cost of looking at all of them.

`sleeping COUNT` sleep for ever; `mixed COUNT` sleep for some milliseconds and
work for a tenth of one, in turns; `deep COUNT` are busy, 32 frames deep, and
sleep for a moment now and then. Prints a line when all run.

For each line of standard input it prints how many units of work all threads
did so far, the CPU time of the process and the time of a clock, both in
seconds, while the threads go on. It ends with its standard input.
"""
import sys
import threading
import time

ready = threading.Semaphore(0)
# Units of work, one element for each thread: so none waits for another.
units = []


def nested(depth, leaf, index):
    if depth > 1:
        return nested(depth - 1, leaf, index)
    return leaf(index)


def sleep_for_ever(index):
    ready.release()
    time.sleep(100000)


def sleep_and_work(index):
    ready.release()
    while True:
        time.sleep(0.005)
        total = 0
        for number in range(300):
            total += number
        units[index] += 1


def work(index):
    ready.release()
    while True:
        total = 0
        for number in range(30000):
            total += number
        units[index] += 1
        time.sleep(0.0001)


KINDS = {"sleeping": (22, sleep_for_ever), "mixed": (22, sleep_and_work), "deep": (30, work)}

depth, leaf = KINDS[sys.argv[1]]
count = int(sys.argv[2])
units.extend([0] * count)
threading.stack_size(256 * 1024)
for index in range(count):
    threading.Thread(target=nested, args=(depth, leaf, index), daemon=True).start()
for _ in range(count):
    ready.acquire()
print("ready", flush=True)
for _ in sys.stdin:
    totals = (sum(units), time.process_time(), time.perf_counter())
    print("%d %.9f %.9f" % totals, flush=True)
