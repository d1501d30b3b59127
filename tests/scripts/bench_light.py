"""A process that is a little busy: work of a millisecond, a pause of ten.

`bench_light.py [MILLISECONDS [CHILDREN]]` pauses for so long instead, and forks so
many children that do the same and end with it. It ends when it is killed.
"""

import json
import os
import sys
import time


def make_order(number):
    return {"number": number, "items": [number % item for item in range(1, 40)]}


def price(order):
    total = 0
    for item in order["items"]:
        total += item * 3 % 97
    return total


def handle(number):
    text = json.dumps([make_order(number + more) for more in range(8)])
    return sum(price(order) for order in json.loads(text))


def main():
    pause = float(sys.argv[1]) / 1000 if len(sys.argv) > 1 else 0.01
    children = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    parent = os.getpid()
    is_child = False
    for _ in range(children):
        if os.fork() == 0:
            is_child = True
            break
    if not is_child:
        print("ready", flush=True)
    number = 0
    while not is_child or os.getppid() == parent:
        for _ in range(5):
            handle(number)
            number += 1
        time.sleep(pause)


if __name__ == "__main__":
    main()
