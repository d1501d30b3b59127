"""A thread that is busy 32 frames deep, in 32 different functions.

Four leaves take turns, so that the stack changes every millisecond or so: what
is the same from sample to sample is cheaper to record. One function that calls
itself would be cheaper too, since it is one code object.

`busy` works until it is killed. `asked` reads a number of seconds from each
line of standard input, works for that much CPU time, and prints how many units
of work it did, and the CPU and wall clock seconds that took.
"""

import sys
import time

# Iterations of a leaf: long enough that the calls between two leaves do not
# show.
COUNT = 20000


def add(count):
    total = 0
    for number in range(count):
        total += number & 7
    return total


def multiply(count):
    total = 1
    for number in range(count):
        total = (total * 31 + number) % 65521
    return total


def fill(count):
    found = {}
    for number in range(count):
        key = number % 61
        found[key] = number
    return len(found)


def join(count):
    text = ""
    for number in range(count):
        if number % 64 == 0:
            text = ""
        text += "x"
    return len(text)


def level_27(leaf, count):
    return leaf(count)


def level_26(leaf, count):
    return level_27(leaf, count)


def level_25(leaf, count):
    return level_26(leaf, count)


def level_24(leaf, count):
    return level_25(leaf, count)


def level_23(leaf, count):
    return level_24(leaf, count)


def level_22(leaf, count):
    return level_23(leaf, count)


def level_21(leaf, count):
    return level_22(leaf, count)


def level_20(leaf, count):
    return level_21(leaf, count)


def level_19(leaf, count):
    return level_20(leaf, count)


def level_18(leaf, count):
    return level_19(leaf, count)


def level_17(leaf, count):
    return level_18(leaf, count)


def level_16(leaf, count):
    return level_17(leaf, count)


def level_15(leaf, count):
    return level_16(leaf, count)


def level_14(leaf, count):
    return level_15(leaf, count)


def level_13(leaf, count):
    return level_14(leaf, count)


def level_12(leaf, count):
    return level_13(leaf, count)


def level_11(leaf, count):
    return level_12(leaf, count)


def level_10(leaf, count):
    return level_11(leaf, count)


def level_09(leaf, count):
    return level_10(leaf, count)


def level_08(leaf, count):
    return level_09(leaf, count)


def level_07(leaf, count):
    return level_08(leaf, count)


def level_06(leaf, count):
    return level_07(leaf, count)


def level_05(leaf, count):
    return level_06(leaf, count)


def level_04(leaf, count):
    return level_05(leaf, count)


def level_03(leaf, count):
    return level_04(leaf, count)


def level_02(leaf, count):
    return level_03(leaf, count)


def level_01(leaf, count):
    return level_02(leaf, count)


def level_00(leaf, count):
    return level_01(leaf, count)


LEAVES = [add, multiply, fill, join]


def unit(number):
    return level_00(LEAVES[number % len(LEAVES)], COUNT)


def work(seconds):
    start, end = time.perf_counter(), time.process_time() + seconds
    units = 0
    while time.process_time() < end:
        unit(units)
        units += 1
    cpu = seconds + time.process_time() - end
    return units, cpu, time.perf_counter() - start


def main():
    print("ready", flush=True)
    if sys.argv[1] == "asked":
        for line in sys.stdin:
            print("%d %.9f %.9f" % work(float(line)), flush=True)
    else:
        while True:
            for number in range(len(LEAVES)):
                unit(number)


if __name__ == "__main__":
    main()
