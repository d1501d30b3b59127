"""Says who it is in its own pid namespace, and is busy in a chain of calls while
another thread sleeps.

A comment `#: name` marks a line on which the function `name` can be, and
`#: name > callee` one on which it can also be calling `callee`.
"""
import json                                 #: <module>
import os                                   #: <module>
import threading                            #: <module>
import time                                 #: <module>


def at_rest():
    time.sleep(3600)                        #: at_rest


def h():
    number = 1                              #: h
    while True:                             #: h
        number = number * 3 + 1             #: h
        number = number ^ (number >> 2)     #: h
        if number > 1000000:                #: h
            number = number % 99991         #: h


def g():
    h()                                     #: g > h


def f():
    g()                                     #: f > g


sleeper = threading.Thread(target=at_rest, name="sleeper", daemon=True)
sleeper.start()
tids = sorted(int(tid) for tid in os.listdir("/proc/self/task"))
print(json.dumps({"pid": os.getpid(), "tids": tids}), flush=True)
f()                                         #: <module> > f
