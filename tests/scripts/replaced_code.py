"""Runs functions that are made new each time, at addresses where others were
before: all are of one size, and each is freed before the next is made. The one
that `slot_3` calls is called `made_3`, runs long enough to be sampled, and is
gone after it.
"""
import json

BODY = """
def made_%d(count):
    total = 0
    for number in range(count):
        total += number & 7
    return total
"""


def make(number):
    space = {}
    exec(BODY % number, space)
    return space["made_%d" % number]


def slot_0():
    return make(0)(COUNT)


def slot_1():
    return make(1)(COUNT)


def slot_2():
    return make(2)(COUNT)


def slot_3():
    return make(3)(COUNT)


COUNT = 30000
SLOTS = [slot_0, slot_1, slot_2, slot_3]


def addresses():
    """How many addresses the code of a thousand made functions has."""
    return len({id(make(number % 4).__code__) for number in range(1000)})


def drive():
    while True:
        for slot in SLOTS:
            slot()


print(json.dumps({"addresses": addresses()}), flush=True)
drive()
