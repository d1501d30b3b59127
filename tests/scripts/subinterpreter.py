"""Runs busy code in a subinterpreter, or says that it has none.

subinterpreter.py two: in two at once, each in a thread of its own.
"""
import json
import sys
import threading

try:
    import _interpreters as interpreters
except ImportError:
    try:
        import _xxsubinterpreters as interpreters
    except ImportError:
        interpreters = None

TEXT = """
def busy_inside():
    number = 1
    while True:
        number = (number * 3 + 1) & 65535

def inside():
    busy_inside()

# In one piece: another one may be saying so at the same time.
import os
os.write(1, b'{"available": true}\\n')
inside()
"""


def enter():
    interpreters.run_string(interpreters.create(), TEXT)


if interpreters is None:
    print(json.dumps({"available": False}), flush=True)
elif sys.argv[1:] == ["two"]:
    threads = [threading.Thread(target=enter, name=name) for name in ("one", "other")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
else:
    enter()
