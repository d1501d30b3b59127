"""Runs jobs one after the other, each in code that is gone when the next begins: in
an interpreter of its own (legacy, isolated), or made by exec in this one (made). The
code of job 3 is called outer_3 and inner_3, or is in the class Job_3 (class), or was
given these names later (renamed); all else is alike, addresses too. Prints when which job
ran."""
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


# Qualified names differ, and up to 3.11 they are not interned.
JOB_OF_CLASS = """
import json, time
class Job_{k}:
    def inner(self, count):
        total = 0
        for number in range(count):
            total += number
        return total
    def outer(self, end):
        while time.time() < end:
            self.inner(200)
began = time.time()
Job_{k}().outer(began + 0.06)
print(json.dumps(dict(job="{k}", began=began, ended=time.time())), flush=True)
"""

# Nor are names that code is given by `replace`.
JOB_OF_RENAMED = """
import json, time
def inner(count):
    total = 0
    for number in range(count):
        total += number
    return total
def outer(end):
    while time.time() < end:
        inner(200)
for function in (inner, outer):
    code = function.__code__
    names = dict.fromkeys(("co_name", "co_qualname"), code.co_name + "_%d" % {k})
    names = dict(item for item in names.items() if hasattr(code, item[0]))
    function.__code__ = code.replace(**names)
    del code, function, names
began = time.time()
outer(began + 0.06)
print(json.dumps(dict(job="{k}", began=began, ended=time.time())), flush=True)
"""

MADE = {"made": JOB, "class": JOB_OF_CLASS, "renamed": JOB_OF_RENAMED}


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


def in_made_code(job):
    number = 0
    while True:
        exec(job.format(k=number), {})
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
    can_rename = hasattr(main.__code__, "replace")
    is_available = can_rename if kind == "renamed" else kind in MADE or raw is not None
    print(json.dumps({"available": is_available}), flush=True)
    if is_available and kind in MADE:
        in_made_code(MADE[kind])
    elif is_available:
        in_interpreters(raw, kind)


main()
