"""Tasks of gevent that take turns in one thread, and workers of its pool of real
threads. Marks are those of known_chain.py.

gevent_tasks.py PACKAGES
"""
import json
import site
import sys

site.addsitedir(sys.argv[1])
import gevent                               # noqa: E402
from gevent import monkey                   # noqa: E402

monkey.patch_all()
import queue                                # noqa: E402

jobs = queue.Queue()


def spin():
    number = 1                              #: spin
    for _ in range(3000):                   #: spin
        number = (number * 3 + 1) & 65535   #: spin
    return number                           #: spin


def produce():
    while True:                             #: produce
        spin()                              #: produce > spin
        jobs.put(spin)                      #: produce > put
        gevent.sleep(0)                     #: produce > sleep


def consume():
    while True:                             #: consume
        job = jobs.get()                    #: consume > get
        handle(job)                         #: consume > handle


def handle(job):
    job()                                   #: handle > spin


tasks = [gevent.spawn(produce), gevent.spawn(consume), gevent.spawn(consume)]
print(json.dumps({}), flush=True)
gevent.joinall(tasks)
