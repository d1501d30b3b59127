"""Works and rests in a rhythm of its own, for as long as it is told to.

usage: duty.py KIND WORK REST COUNT

For a line of input, a number of seconds, it does that for so long and then prints
what the kernel has counted meanwhile, in seconds: CPU time and time without a CPU
of all threads that took part, from their start to their end, and how long these lived
in all.

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
    return run / 1e9, waited / 1e9


def rounds(seconds, sums, done=None, may_end=None):
    start = time.monotonic()
    number = 0
    while time.monotonic() - start < seconds:
        a_round(start, number)
        number += 1
    if done:
        done.release()
        may_end.wait()
    sums.append(counted())


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
    if kind == "churn":
        before = time.process_time()
        sums = []
        threads = [threading.Thread(target=short_threads, args=(seconds, sums)) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # To start and to end a thread takes as long as a part of its round.
        return [time.process_time() - before, 0.0, 0.0]
    return of_threads(seconds)


def of_threads(seconds):
    sums = []
    life = 0.0
    done = threading.Semaphore(0)
    threads = []
    for _ in range(count):
        may_end = threading.Event()
        thread = threading.Thread(target=rounds, args=(seconds, sums, done, may_end))
        life -= time.monotonic()
        thread.start()
        threads.append((thread, may_end))
    for _ in threads:
        done.acquire()
    # One after the other, so that none waits for the GIL while it ends.
    for thread, may_end in threads:
        may_end.set()
        thread.join()
        life += time.monotonic()
    cpu, runnable = (sum(column) for column in zip(*sums))
    return [cpu, runnable, life]


print(json.dumps({}), flush=True)
for line in sys.stdin:
    cpu, runnable, life = together(float(line))
    print(json.dumps({"cpu": cpu, "runnable": runnable, "life": life}), flush=True)
