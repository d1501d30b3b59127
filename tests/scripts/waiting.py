"""A thread in each of the states that a thread can wait in, each named after
its function. `gil` threads fight for the GIL, `lock` threads for a lock that is
held while its holder sleeps, without the GIL. Prints what each state is to be called.

Without ctypes, which a Python for musl is built without, those states are left out that
only C can wait in.
"""
import fcntl
import json
import os
import queue
import select
import socket
import struct
import sys
import tempfile
import threading
import time

try:
    import ctypes
except ImportError:
    ctypes = None

never = threading.Lock()
never.acquire()
contended = threading.Lock()
empty = queue.Queue()
readable, silent = socket.socketpair()
other, unused = socket.socketpair()
ready = threading.Semaphore(0)
libc = ctypes and ctypes.CDLL(None, use_errno=True)


def sleeping():
    ready.release()
    time.sleep(10000)                           #: sleeping


def locked():
    ready.release()
    never.acquire()                             #: locked


def receiving():
    ready.release()
    readable.recv(1)                            #: receiving


def selecting():
    ready.release()
    select.select([other], [], [], 10000)       #: selecting


def polling():
    poll = select.epoll()
    poll.register(unused.fileno(), select.EPOLLIN)
    ready.release()
    poll.poll(10000)                            #: polling


def file_locked():
    with tempfile.NamedTemporaryFile() as one, open(one.name, "w") as other:
        # Of the open file, not of the process: F_OFD_SETLKW (fcntl(2)).
        whole = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        fcntl.fcntl(one, 38, whole)
        ready.release()
        fcntl.fcntl(other, 38, whole)           #: file_locked


def semaphore():
    number = libc.semget(0, 1, 0o600)
    take = ctypes.create_string_buffer(struct.pack("Hhh", 0, -1, 0))
    ready.release()
    libc.semop(number, take, 1)                 #: semaphore


def pausing():
    poll = select.poll()
    ready.release()
    poll.poll(10000000)                         #: pausing


def timer():
    descriptor = libc.timerfd_create(time.CLOCK_MONOTONIC, 0)
    in_hours = ctypes.create_string_buffer(struct.pack("qqqq", 0, 0, 10000, 0))
    libc.timerfd_settime(descriptor, 0, in_hours, None)
    ready.release()
    os.read(descriptor, 8)                      #: timer


def gil():
    ready.release()
    number = 1
    while True:                                 #: gil
        number = (number * 3 + 1) & 65535       #: gil


def lock():
    ready.release()
    while True:                                 #: lock
        with contended:                         #: lock
            time.sleep(0.005)                   #: lock


def start(function, count=1):
    for _ in range(count):
        threading.Thread(target=function, name=function.__name__, daemon=True).start()
    for _ in range(count):
        ready.acquire()


QUIET = {
    "sleeping": "sleeping",
    "locked": "lock",
    "receiving": "I/O",
    "selecting": "I/O",
    "polling": "I/O",
    "file_locked": "lock",
    "semaphore": "lock",
    "pausing": "sleeping",
    "timer": "sleeping",
}


def main(kind):
    if ctypes is None:
        del QUIET["semaphore"], QUIET["timer"]
    if kind == "quiet":
        if libc:
            # Its semaphore goes when it ends: CLONE_NEWIPC (unshare(2)).
            libc.unshare(0x08000000)
        for function in (sleeping, locked, receiving, selecting, polling,
                         file_locked, semaphore, pausing, timer):
            if function.__name__ in QUIET:
                start(function)
    elif kind == "gil":
        start(gil, 4)
    elif kind == "lock":
        start(lock, 4)
    print(json.dumps(QUIET), flush=True)
    sys.stdin.read()                            #: main


if __name__ == "__main__":
    main(sys.argv[1])                           #: <module> > main
