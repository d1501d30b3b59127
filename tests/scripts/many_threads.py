"""As many threads as its argument says, all asleep, each 24 frames deep."""
import json
import sys
import threading
import time

ready = threading.Semaphore(0)


def sleep():
    ready.release()
    time.sleep(100000)


def nested(depth):
    if depth > 1:
        nested(depth - 1)
    else:
        sleep()


count = int(sys.argv[1])
threading.stack_size(256 * 1024)
for _ in range(count):
    threading.Thread(target=nested, args=(20,), daemon=True).start()
for _ in range(count):
    ready.acquire()
print(json.dumps({}), flush=True)
sys.stdin.read()
