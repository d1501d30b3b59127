"""The main thread ends as a C program's can, and a worker goes on. Says that it is ready
when the main thread has ended."""
import ctypes
import json
import os
import threading
import time


def in_survivor():
    number = 1
    while True:
        number = number * 3 + 1 & 65535


def survivor():
    stat = "/proc/self/task/%d/stat" % os.getpid()
    while True:
        with open(stat) as file:
            if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                break
        time.sleep(0.01)
    print(json.dumps({"tid": threading.get_native_id()}), flush=True)
    in_survivor()


threading.Thread(target=survivor, name="survivor").start()
ctypes.CDLL(None).pthread_exit(None)
