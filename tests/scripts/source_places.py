"""Runs the functions `work` of source files, each busy for 10 ms of CPU time in turn.

`texts DIRECTORY` compiles every file there. `chdir FROM TO FILE` compiles a file that
it names as seen from one directory, and goes to the other; `chroot ROOT FILE` goes
to another root after that. `template FILE` makes functions of its own of which it
says that they are from that file. Prints a line when it is ready.
"""
import json
import os
import sys
import time

until = [0.0]


def compiled(text, path):
    space = {"clock": time.process_time, "until": until}
    exec(compile(text, path, "exec"), space)
    return space["work"]


def from_file(path):
    with open(path, "rb") as file:
        return compiled(file.read(), path)


# As the compiled form of a template has it: other names, other lines.
TEMPLATE = """

def work():
    while clock() < until[0]:
        number = (lambda: [it for it in range(5)])()
"""

kind, arguments = sys.argv[1], sys.argv[2:]
if kind == "texts":
    directory = os.fsencode(arguments[0])
    names = sorted(os.listdir(directory))
    functions = [from_file(os.fsdecode(os.path.join(directory, name))) for name in names]
elif kind == "chdir":
    os.chdir(arguments[0])
    functions = [from_file(arguments[2])]
    os.chdir(arguments[1])
elif kind == "chroot":
    functions = [from_file(arguments[1])]
    os.chroot(arguments[0])
    os.chdir("/")
else:
    functions = [compiled(TEMPLATE, arguments[0])]

print(json.dumps({}), flush=True)
while True:
    for function in functions:
        until[0] = time.process_time() + 0.01
        function()
