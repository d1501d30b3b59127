"""Runs functions whose code says that it is from the files named as arguments:
`named_0` from the first, and so on, each busy for 10 ms of CPU time in turn. The line that
runs is the third. Prints the numbers of its users and groups when it is ready.
"""
import json
import os
import sys
import time

CODE = """def named_%d():
    number = 1
    while clock() < until[0]: number = number * 3 + 1 & 65535
"""

until = [0.0]
functions = []
for place, name in enumerate(sys.argv[1:]):
    space = {"clock": time.process_time, "until": until}
    exec(compile(CODE % place, name, "exec"), space)
    functions.append(space["named_%d" % place])

print(json.dumps({"uid": os.getuid(), "groups": os.getgroups()}), flush=True)
while True:
    for function in functions:
        until[0] = time.process_time() + 0.01
        function()
