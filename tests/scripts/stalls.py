"""Works until it reads a line. With `stall`, a thread then waits for a lock that another one
keeps, which waits for a socket. With `loop`, a coroutine sleeps without giving way to the
others. With `rest`, all have nothing to do.
"""
import asyncio
import json
import queue
import selectors
import socket
import sys
import threading
import time

contended = threading.Lock()
is_kept = threading.Event()
ours, theirs = socket.socketpair()
is_over = False


def work():
    number = 1
    while not is_over:
        number = number * 3 + 1 & 65535


def keep():
    with contended:
        is_kept.set()
        ours.recv(1)


def wait():
    is_kept.wait()
    with contended:
        pass


def pool():
    queue.Queue().get()


def serve():
    with selectors.DefaultSelector() as selector:
        selector.register(socket.socketpair()[0], selectors.EVENT_READ)
        selector.select()


async def hold_up():
    time.sleep(3600)


def loop():
    asyncio.new_event_loop().run_until_complete(hold_up())


worker = threading.Thread(target=work)
worker.start()
print(json.dumps({}), flush=True)
sys.stdin.readline()
is_over = True
worker.join()
then = {"stall": [keep, wait, pool], "loop": [loop, pool], "rest": [serve, pool]}[sys.argv[1]]
threads = [threading.Thread(target=function, name=function.__name__) for function in then]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
