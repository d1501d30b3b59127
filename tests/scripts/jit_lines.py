"""Calls one small function all the time, which the JIT compiles where there is one and
PYTHON_JIT asks for it."""
import json
import sys


def callee(number):
    return number * 2 + 1


def top():
    total = 0
    while True:
        for number in range(3000):
            total += callee(number)


jit = getattr(sys, "_jit", None)
is_on = jit is not None and jit.is_enabled()
print(json.dumps({"jit": is_on}), flush=True)
top()
