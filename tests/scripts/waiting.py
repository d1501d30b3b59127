"""A thread in each of the states that a thread can wait in, each named after
its function. `gil` threads fight for the GIL, `lock` threads for a lock that is
held while its holder sleeps, without the GIL. Prints what each state is to be called.
"""
import json
import queue
import select
import socket
import sys
import threading
import time

never = threading.Lock()
never.acquire()
contended = threading.Lock()
empty = queue.Queue()
readable, silent = socket.socketpair()
other, unused = socket.socketpair()
ready = threading.Semaphore(0)


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
}


def main(kind):
    if kind == "quiet":
        for function in (sleeping, locked, receiving, selecting, polling):
            start(function)
    elif kind == "gil":
        start(gil, 4)
    elif kind == "lock":
        start(lock, 4)
    print(json.dumps(QUIET), flush=True)
    sys.stdin.read()                            #: main


if __name__ == "__main__":
    main(sys.argv[1])                           #: <module> > main
