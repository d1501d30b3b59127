"""Switches between greenlets, each with a stack of its own in one thread. Marks
are those of known_chain.py.

greenlets.py PACKAGES
"""
import json
import site
import sys

site.addsitedir(sys.argv[1])
import greenlet                             # noqa: E402


def spin():
    number = 1                              #: spin
    for _ in range(3000):                   #: spin
        number = (number * 3 + 1) & 65535   #: spin
    return number                           #: spin


def left():
    while True:                             #: left
        spin()                              #: left > spin
        right_one.switch()                  #: left


def right():
    while True:                             #: right
        deeper()                            #: right > deeper


def deeper():
    spin()                                  #: deeper > spin
    from_generator(numbers())               #: deeper > from_generator; deeper > numbers


def numbers():
    left_one.switch()                       #: numbers
    yield spin()                            #: numbers > spin


def from_generator(generator):
    for number in generator:                #: from_generator > numbers
        str(number)                         #: from_generator


left_one, right_one = greenlet.greenlet(left), greenlet.greenlet(right)
print(json.dumps({}), flush=True)
left_one.switch()
