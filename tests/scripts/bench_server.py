"""A host with many services: processes whose threads mostly wait.

    bench_server.py PROCESSES THREADS

Each process has THREADS threads. One answers a request of about a millisecond every tenth
of a second. The others wait, as those of a server do: for a socket, for a lock, for a queue,
or for time to pass; every few seconds each goes on to wait elsewhere. Prints a line when all
run. The processes end with the first one, which ends when it is killed.
"""

import json
import os
import queue
import random
import socket
import sys
import threading
import time


def make_order(number):
    return {"number": number, "items": [number % item for item in range(1, 40)]}


def price(order):
    return sum(item * 3 % 97 for item in order["items"])


def handle(number):
    text = json.dumps([make_order(number + more) for more in range(8)])
    return sum(price(order) for order in json.loads(text))


def answer_requests():
    number = 0
    while True:
        for _ in range(5):
            handle(number)
            number += 1
        time.sleep(0.1)


def receive(seconds):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(seconds)
        try:
            ours.recv(1)
        except socket.timeout:
            pass


def take_lock(seconds):
    lock = threading.Lock()
    with lock:
        lock.acquire(timeout=seconds)


def take_job(seconds):
    try:
        queue.Queue().get(timeout=seconds)
    except queue.Empty:
        pass


def descend(levels, wait, seconds):
    if levels == 0:
        wait(seconds)
    else:
        descend(levels - 1, wait, seconds)


def wait_here_and_there():
    choice = random.Random(threading.get_ident())
    while True:
        wait = choice.choice([receive, take_lock, take_job, time.sleep])
        descend(choice.randrange(5, 25), wait, choice.uniform(1, 5))


def main():
    processes, threads = int(sys.argv[1]), int(sys.argv[2])
    parent = os.getpid()
    started, ready = os.pipe()
    is_child = False
    for _ in range(processes - 1):
        if os.fork() == 0:
            is_child = True
            break
    for _ in range(threads - 2):
        threading.Thread(target=wait_here_and_there, daemon=True).start()
    threading.Thread(target=answer_requests, daemon=True).start()
    if is_child:
        os.write(ready, b".")
        while os.getppid() == parent:
            time.sleep(1)
        return
    for _ in range(processes - 1):
        os.read(started, 1)
    print("ready", flush=True)
    while True:
        time.sleep(1000)


main()
