"""Waits for a line, uses CPU time in the way that it is told, and prints how much.

``compute``: in user mode. ``system``: in the kernel, by system calls that copy
zeros. ``threads``: in threads that live for some milliseconds each. ``programs``: in
this program, then in one that replaces it, and in another one.
"""
import json
import os
import sys
import threading
import time


def compute(seconds):
    end = time.thread_time() + seconds
    number = 0
    while time.thread_time() < end:
        for _ in range(1000):
            number = (number * 31 + 7) % 1000003


def system(seconds):
    end = time.thread_time() + seconds
    buffer = bytearray(1 << 20)
    with open("/dev/zero", "rb", buffering=0) as zeros:
        while time.thread_time() < end:
            for _ in range(10):
                zeros.readinto(buffer)


def threads(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        thread = threading.Thread(target=compute, args=(0.006,))
        thread.start()
        thread.join()


def programs(seconds):
    compute(seconds / 3)
    left = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    if left > 0:
        script = [sys.executable, sys.argv[0], "programs", str(left - 1)]
        os.execv(sys.executable, script + [str(process), str(thread)])


if len(sys.argv) > 4:
    process, thread = map(float, sys.argv[3:])
else:
    print(json.dumps({}), flush=True)
    sys.stdin.readline()
    process, thread = time.process_time(), time.thread_time()
ways = {"compute": compute, "system": system, "threads": threads, "programs": programs}
ways[sys.argv[1]](0.7)
used = {"cpu": time.process_time() - process, "thread": time.thread_time() - thread}
print(json.dumps(used), flush=True)
