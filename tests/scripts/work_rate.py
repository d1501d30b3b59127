"""Works 30 frames deep in a thread, and tells on request how much was done so far.

For each line of input it prints how often its loop went round, and the CPU time
that the thread has taken.
"""
import json
import sys
import threading
import time

done = [0, 0.0]


def work(depth):
    if depth > 1:
        return work(depth - 1)
    number = 0
    while True:
        for _ in range(1000):
            number = (number * 31 + 7) % 1000003
        done[0] += 1
        done[1] = time.thread_time()


threading.Thread(target=work, args=(30,), name="worker", daemon=True).start()
print(json.dumps({}), flush=True)
for _ in sys.stdin:
    print(json.dumps({"work": done[0], "cpu": done[1]}), flush=True)
