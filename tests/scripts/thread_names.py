"""Threads with names of every kind, which wait until standard input ends.

Prints, for a test that reads the names from outside:

    process PID
    thread IDENT NAME
        the name as hexadecimal UTF-8, one line for each thread
    ready

With the argument "many", there are 300 more, named "many-0" and on, which it does
not print. With "churn", short-lived threads start and end all the time after
that, named "churn-0" and on.
"""

import _thread
import os
import sys
import threading

finished = threading.Event()


class Slotted(threading.Thread):
    __slots__ = ("first", "second")

    def __init__(self, **keywords):
        self.first = self.second = 1
        super().__init__(**keywords)


class Extra(threading.Thread):
    def __init__(self, **keywords):
        self.before = 1
        super().__init__(**keywords)
        self.after = 2


class Crowded(threading.Thread):
    """More attributes than instances share the keys of."""

    def __init__(self, **keywords):
        for number in range(60):
            setattr(self, "attribute_%d" % number, number)
        super().__init__(**keywords)


class Text(str):
    pass


def dummy(started):
    # Makes a _DummyThread, which is removed by nobody.
    threading.current_thread()
    started.release()
    finished.wait()


def start():
    Thread = threading.Thread
    threads = [
        Thread(name="plain"),
        Thread(name="caf\xe9"),
        Thread(name="\u03bb \u4e16\u754c"),
        Thread(name="snake \U0001f40d"),
        Thread(name=""),
        Thread(name="control \n\x00\x1b end"),
        Thread(name="long " * 100),
        Thread(name="daemon", daemon=True),
        Thread(name="before it was renamed"),
        Thread(name="with a dict"),
        Thread(name="with other keys"),
        Thread(name="with fewer keys"),
        Slotted(name="slotted"),
        Extra(name="extra"),
        Crowded(name="crowded"),
    ]
    for thread in threads:
        thread._target = finished.wait
        thread.start()
    threads[8].name = "renamed later"
    threads[9].__dict__["through the dict"] = 1
    threads[10].__dict__[1] = "a key that is no text"
    threads[11].temporary = 1
    del threads[11].temporary
    threads[11]._name = Text("of a subclass of str")
    threading.main_thread().name = "the main thread"


def churn():
    """Keeps four threads alive, of which the oldest ends and a new one starts."""
    alive = []
    number = 0
    while not finished.is_set():
        end = threading.Event()
        thread = threading.Thread(target=end.wait, name="churn-%d" % number)
        number += 1
        thread.start()
        alive.append((thread, end))
        if len(alive) > 4:
            stop(*alive.pop(0))
    while alive:
        stop(*alive.pop())


def stop(thread, end):
    end.set()
    thread.join()


def main():
    start()
    started = _thread.allocate_lock()
    started.acquire()
    _thread.start_new_thread(dummy, (started,))
    started.acquire()
    churner = threading.Thread(target=churn, name="churner")
    if sys.argv[1:] == ["churn"]:
        churner.start()
    if sys.argv[1:] == ["many"]:
        threading.stack_size(1 << 18)
        for number in range(300):
            threading.Thread(target=finished.wait, name="many-%d" % number).start()
    print("process", os.getpid())
    for thread in threading.enumerate():
        if not thread.name.startswith(("churn-", "many-")):
            print("thread", thread.ident, thread.name.encode("utf-8").hex())
    print("ready", flush=True)
    sys.stdin.read()
    finished.set()
    if churner.ident:
        churner.join()


main()
