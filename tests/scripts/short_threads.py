"""Threads that start and end all the time, eight at once, while one goes on."""
import json
import threading
import time


def brief():
    time.sleep(0.02)


def lasting():
    time.sleep(100000)


threading.Thread(target=lasting, name="lasting", daemon=True).start()
print(json.dumps({}), flush=True)
number = 0
while True:
    threads = []
    for _ in range(8):
        number += 1
        thread = threading.Thread(target=brief, name="brief-%d" % number)
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()
