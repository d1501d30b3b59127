"""A chain of calls that never changes: module -> f -> g -> h, where h is busy.

A comment `#: name` marks a line on which the function `name` can be, and
`#: name > callee` one on which it can also be calling `callee`.
"""
import json                                 #: <module>


def h():
    number = 1                              #: h
    while True:                             #: h
        number = number * 3 + 1             #: h
        number = number ^ (number >> 2)     #: h
        if number > 1000000:                #: h
            number = number % 99991         #: h


def g():
    before = 1
    h()                                     #: g > h
    return before


def f():
    g()                                     #: f > g


print(json.dumps({}), flush=True)
f()                                         #: <module> > f
