"""Alternates between chains of calls at a high rate, so that most samples fall
near a call or a return. Every stack that can be is given by the marks, which
are those of known_chain.py; `<made N>` code is made new each time, and freed.
"""
import json


# One chain: plain calls, a generator, a callback from C.

def a(number):
    result = b(number)                  #: a > b
    return result                       #: a


def b(number):
    total = 0                           #: b
    for value in c(number):             #: b > c
        total += value                  #: b
    return total                        #: b


def c(number):
    yield d(number)                     #: c > d
    yield e(number)                     #: c > e


def d(number):
    values = [number, 3, 2]             #: d
    values = sorted(values, key=key)    #: d > key
    return values[0]                    #: d


def key(value):
    return -e(value)                    #: key > e


def e(number):
    return number + 1                   #: e


# The other, as deep, with other functions in other order.

def p(number):
    values = [number, 1]                #: p
    values.sort(key=q)                  #: p > q
    return values[0]                    #: p


def q(number):
    result = 0                          #: q
    result += r(number)                 #: q > r
    return result                       #: q


def r(number):
    return sum(s(number))               #: r > s


def s(number):
    yield from t(number)                #: s > t
    yield u(number)                     #: s > u


def t(number):
    first = u(number)                   #: t > u
    yield first                         #: t
    second = u(first)                   #: t > u
    yield second                        #: t


def u(number):
    return number ^ 5                   #: u


# Code objects that are freed, so that others get their addresses.

def leaf():
    number = 1                          #: leaf
    for _ in range(20):                 #: leaf
        number += 3                     #: leaf
    return number                       #: leaf


def made(number):
    text = "\n" * (number % 50) + "def made_%d(call):\n    return call()\n" % number    #: made
    space = {}                                                      #: made
    exec(compile(text, "<made %d>" % number, "exec"), space)        #: made
    return space["made_%d" % number](leaf)                          #: made > leaf


def drive():
    number = 0                          #: drive
    while True:                         #: drive
        for _ in range(20):             #: drive
            a(number)                   #: drive > a
            p(number)                   #: drive > p
        number = (number + 1) % 5000    #: drive
        made(number)                    #: drive > made


print(json.dumps({}), flush=True)
drive()                                 #: <module> > drive
