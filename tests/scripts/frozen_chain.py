"""Waits in two threads, each inside a chain of calls of every kind, and says
beforehand what these chains are. Runs in every version from 3.6 on; what it
imports is not in the chains."""
import _thread
import json
import os
import sys

ready = _thread.allocate_lock()
ready.acquire()
waiting, _never = os.pipe()


def report(frame):
    """Prints who we are and the chain that ends in `frame`, innermost first."""
    chain = []
    while frame is not None:
        code = frame.f_code
        name = getattr(code, "co_qualname", code.co_name)
        chain.append([name, code.co_filename, frame.f_lineno])
        frame = frame.f_back
    thread = {"thread_pointer": _thread.get_ident(), "frames": chain}
    os.write(1, json.dumps(thread).encode() + b"\n")


def wait_for_input():
    # One line, so that what is reported is what is found.
    report(sys._getframe()) or os.read(0, 1)


def descend(levels):
    if levels:
        return descend(levels - 1)
    return NAMES["größe"]()


def generator():
    for levels in (2,):
        yield descend(levels)


class Holder:
    def __init__(self):
        self.got = list(generator())


async def coroutine():
    return sorted([1], key=lambda one: Holder())


def outer():
    coroutine().send(None)


def worker(depth):
    if depth:
        worker(depth - 1)
    report(sys._getframe()) or ready.release() or os.read(waiting, 1)


# Names whose characters take one byte but are not ASCII, two bytes, and four.
NAMES = {"wait_for_input": wait_for_input}
SOURCE = """
def größe():
    return кадр()

def кадр():
    return 𐌰𐌱()

def 𐌰𐌱():

    wait_for_input()
"""
exec(compile(SOURCE, "/srv/app/größe.py", "exec"), NAMES)

_thread.start_new_thread(worker, (3,))
ready.acquire()
outer()
