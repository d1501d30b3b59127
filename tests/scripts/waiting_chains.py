"""Threads that alternate between two chains of calls, deep and with little in
common, and sleep at the ends of both, so that most looks at them find them
waiting, just before or just after. The marks give every stack that can be.
"""
import json
import sys
import threading
import time


def a(depth):
    if depth:                           #: a
        return b(depth - 1)             #: a > b
    time.sleep(0.0002)                  #: a
    return 1                            #: a


def b(depth):
    if depth:                           #: b
        return c(depth - 1)             #: b > c
    time.sleep(0.0002)                  #: b
    return 2                            #: b


def c(depth):
    values = sorted([3, depth], key=d)  #: c > d
    return values[0] and a(depth - 1)   #: c > a


def d(number):
    return -number                      #: d


def p(depth):
    total = 0                           #: p
    for value in q(depth):              #: p > q
        total += value                  #: p
    return total                        #: p


def q(depth):
    yield depth                         #: q
    yield r(depth)                      #: q > r


def r(depth):
    if depth:                           #: r
        return p(depth - 1)             #: r > p
    time.sleep(0.0002)                  #: r
    return 3                            #: r


def drive():
    while True:                         #: drive
        a(24)                           #: drive > a
        p(9)                            #: drive > p


for _ in range(int(sys.argv[1])):
    threading.Thread(target=drive, daemon=True).start()
print(json.dumps({}), flush=True)
sys.stdin.read()                        #: <module>
