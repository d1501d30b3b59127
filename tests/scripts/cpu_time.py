"""Waits for a line, uses CPU time in the way that it is told, and prints how much.

``compute``: in user mode. ``system``: in the kernel, by system calls that copy
zeros. ``threads``: in threads that live for some milliseconds each.
"""
import json
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


print(json.dumps({}), flush=True)
sys.stdin.readline()
process, thread = time.process_time(), time.thread_time()
{"compute": compute, "system": system, "threads": threads}[sys.argv[1]](0.7)
used = {"cpu": time.process_time() - process, "thread": time.thread_time() - thread}
print(json.dumps(used), flush=True)
