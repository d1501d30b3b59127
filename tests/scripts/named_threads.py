"""Fifty busy threads with names, of which it prints name, ident and kernel id."""
import json
import os
import queue
import sys
import threading

COUNT = 50
# Written in C: a thread that puts something into it calls no Python code.
known = queue.SimpleQueue()
# Nobody writes into it: a read returns once it is closed. Threads that begin to work before
# all are there would have the others wait for their turns.
begin, end = os.pipe()


def work():
    thread = threading.current_thread()
    known.put([thread.name, threading.get_ident(), thread.native_id])
    os.read(begin, 1)
    number = 1
    while True:
        number = (number * 3 + 1) & 65535


if not getattr(sys, "_is_gil_enabled", lambda: True)():
    # All are busy at once, and the recorder would hardly get a CPU beside them.
    os.nice(10)
# So that each has its turn often.
sys.setswitchinterval(0.0005)
for index in range(COUNT):
    name = "wörker-%d" % index if index % 10 == 0 else "worker-%d" % index
    threading.Thread(target=work, name=name, daemon=True).start()
threads = [known.get() for _ in range(COUNT)]
os.close(end)
print(json.dumps(threads), flush=True)
sys.stdin.read()
