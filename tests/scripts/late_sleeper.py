"""Asked for it by a line, a thread computes for 0.3 s and then sleeps. The answer is the time
at which it began to."""
import json
import sys
import threading
import time

began = threading.Event()


def compute():
    end = time.perf_counter() + 0.3
    while time.perf_counter() < end:
        pass


def sleep():
    global since
    since = time.time()
    began.set()
    time.sleep(100000)


def late():
    asked.acquire()
    compute()
    sleep()


asked = threading.Lock()
asked.acquire()
threading.Thread(target=late, name="late", daemon=True).start()
print(json.dumps({}), flush=True)
sys.stdin.readline()
asked.release()
began.wait()
print(json.dumps({"since": since}), flush=True)
sys.stdin.read()
