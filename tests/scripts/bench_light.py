"""A process that is a little busy: work of a millisecond, a pause of ten.

It ends when it is killed.
"""

import json
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
    print("ready", flush=True)
    number = 0
    while True:
        for _ in range(5):
            handle(number)
            number += 1
        time.sleep(0.01)


if __name__ == "__main__":
    main()
