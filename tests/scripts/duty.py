"""Works and rests in a rhythm of its own, for as long as it is told to.

usage: duty.py KIND WORK REST COUNT

For a line of input, a number of seconds, it does that for so long and then prints
what the kernel has counted meanwhile, in seconds: CPU time and time without a CPU
of all threads that took part, and how long these lived in all.

  threads   COUNT threads, of which each works WORK seconds of its own CPU time and
            then sleeps for REST seconds
  step      the same, but each begins to work at multiples of REST seconds
  churn     COUNT threads at a time, of which none lives longer than one round
  forks     COUNT processes, each of which forks another for every round

The main thread waits for the others without a time.
"""
import json
import os
import resource
import sys
import threading
import time

kind, work, rest, count = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])


def compute(until):
    number = 0
    while time.thread_time() < until:
        for _ in range(20):
            number = (number * 31 + 7) % 1000003


def a_round(start, number):
    compute(time.thread_time() + work)
    if kind == "step":
        due = start + (number + 1) * rest
        time.sleep(max(0.0, due - time.monotonic()))
    elif rest:
        time.sleep(rest)


def counted():
    with open("/proc/thread-self/schedstat") as file:
        run, waited, _ = map(int, file.read().split())
    return run / 1e9, waited / 1e9, time.monotonic()


def rounds(seconds, sums):
    before = counted()
    start = time.monotonic()
    number = 0
    while time.monotonic() - start < seconds:
        a_round(start, number)
        number += 1
    sums.append([after - before for after, before in zip(counted(), before)])


def short_threads(seconds, sums):
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        thread = threading.Thread(target=rounds, args=(0.0001, sums))
        thread.start()
        thread.join()


def forks(seconds):
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        child = os.fork()
        if child == 0:
            a_round(0, 0)
            os._exit(0)
        os.waitpid(child, 0)


def of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def together(seconds):
    if kind == "forks":
        before = of_children()
        children = []
        for _ in range(count):
            child = os.fork()
            if child == 0:
                forks(seconds)
                os._exit(0)
            children.append(child)
        for child in children:
            os.waitpid(child, 0)
        return [of_children() - before, 0.0, 0.0]
    sums = []
    target = short_threads if kind == "churn" else rounds
    threads = [
        threading.Thread(target=target, args=(seconds, sums), name="duty") for _ in range(count)
    ]
    before = time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cpu, runnable, life = (sum(column) for column in zip(*sums))
    if kind == "churn":
        # To start and to end a thread takes as long as a part of its round.
        cpu, life = time.process_time() - before, 0.0
    return [cpu, runnable, life]


print(json.dumps({}), flush=True)
for line in sys.stdin:
    cpu, runnable, life = together(float(line))
    print(json.dumps({"cpu": cpu, "runnable": runnable, "life": life}), flush=True)
