"""Fifty busy threads with names, of which it prints name, ident and kernel id."""
import json
import queue
import sys
import threading

COUNT = 50
# Written in C: a thread that puts something into it calls no Python code.
known = queue.SimpleQueue()


def work():
    thread = threading.current_thread()
    known.put([thread.name, threading.get_ident(), thread.native_id])
    number = 1
    while True:
        number = (number * 3 + 1) & 65535


# So that each has its turn often.
sys.setswitchinterval(0.0005)
for index in range(COUNT):
    name = "wörker-%d" % index if index % 10 == 0 else "worker-%d" % index
    threading.Thread(target=work, name=name, daemon=True).start()
print(json.dumps([known.get() for _ in range(COUNT)]), flush=True)
sys.stdin.read()
