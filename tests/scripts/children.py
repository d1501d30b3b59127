"""Starts other processes in the way its argument names, once told to. Each
prints its process id and when it began."""
import json
import multiprocessing
import os
import subprocess
import sys
import time

COUNT = 4
SECONDS = 0.3


def report():
    line = json.dumps({"pid": os.getpid(), "began": time.time()}) + "\n"
    os.write(1, line.encode())


def busy():
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        pass


def in_worker(number=0):
    report()
    busy()


def fork():
    children = []
    for number in range(COUNT):
        pid = os.fork()
        if pid == 0:
            in_worker(number)
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)


def pool():
    with multiprocessing.get_context("fork").Pool(COUNT) as workers:
        workers.map(in_worker, range(COUNT), chunksize=1)


def program():
    subprocess.run([sys.executable, __file__, "child"], stdin=subprocess.DEVNULL, check=True)


def before():
    """Starts them at once, and has them work when it is told to."""
    pipes = []
    for number in range(COUNT):
        read, write = os.pipe()
        if os.fork() == 0:
            os.close(write)
            os.read(read, 1)
            in_worker(number)
            os._exit(0)
        os.close(read)
        pipes.append(write)
    print(json.dumps({}), flush=True)
    sys.stdin.readline()
    for write in pipes:
        os.write(write, b"!")
    for _ in range(COUNT):
        os.wait()
    busy()
    print(json.dumps({"done": True}), flush=True)


way = sys.argv[1]
if way == "before":
    before()
elif way == "child":
    in_worker()
else:
    print(json.dumps({}), flush=True)
    sys.stdin.readline()
    {"fork": fork, "pool": pool, "program": program}[way]()
    # Its own samples, so that there is something to write in any case.
    busy()
    print(json.dumps({"done": True}), flush=True)
