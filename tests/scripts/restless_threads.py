"""As many threads as its argument says, each of which works a little and sleeps for a
second or two, in turns, 20 frames deep.
"""
import json
import random
import sys
import threading
import time

ready = threading.Semaphore(0)


def restless():
    ready.release()
    while True:
        time.sleep(1 + random.random())
        sum(range(200))


def nested(depth):
    if depth > 1:
        nested(depth - 1)
    else:
        restless()


count = int(sys.argv[1])
threading.stack_size(256 * 1024)
for _ in range(count):
    threading.Thread(target=nested, args=(18,), daemon=True).start()
for _ in range(count):
    ready.acquire()
print(json.dumps({}), flush=True)
sys.stdin.read()
