"""Runs jobs one after the other, each in code that is gone when the next begins: in
an interpreter of its own (legacy, isolated), or made by exec in this one (made). The
code of job 3 is called outer_3 and inner_3; all else is alike, addresses too. Prints
when which job ran."""
import gc
import json
import sys

JOB = """
import json, time
def inner_{k}(count):
    total = 0
    for number in range(count):
        total += number
    return total
def outer_{k}(end):
    while time.time() < end:
        inner_{k}(200)
began = time.time()
outer_{k}(began + 0.06)
print(json.dumps(dict(job="{k}", began=began, ended=time.time())), flush=True)
"""


def make(raw, kind):
    if sys.version_info >= (3, 13):
        return raw.create(kind)
    if sys.version_info >= (3, 9):
        return raw.create(isolated=kind == "isolated")
    return raw.create()


def in_interpreters(raw, kind):
    run = getattr(raw, "exec", None) or raw.run_string
    number = 0
    while True:
        interpreter = make(raw, kind)
        run(interpreter, JOB.format(k=number))
        raw.destroy(interpreter)
        number = (number + 1) % 10


def in_made_code():
    number = 0
    while True:
        exec(JOB.format(k=number), {})
        gc.collect()
        number = (number + 1) % 10


def main():
    kind = sys.argv[1]
    raw = None
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            raw = raw or __import__(name)
        except ImportError:
            pass
    is_available = kind == "made" or raw is not None
    print(json.dumps({"available": is_available}), flush=True)
    if kind == "made":
        in_made_code()
    elif is_available:
        in_interpreters(raw, kind)


main()
