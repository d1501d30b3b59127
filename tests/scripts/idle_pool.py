"""A pool of workers that wait for work, as many as its argument says. They end with the
process that forked them."""
import json
import os
import sys


def idle():
    os.read(ours, 1)


ours, theirs = os.pipe()
for _ in range(int(sys.argv[1])):
    if os.fork() == 0:
        os.close(theirs)
        idle()
        os._exit(0)
print(json.dumps({}), flush=True)
number = 1
while True:
    number = number * 3 + 1 & 65535
