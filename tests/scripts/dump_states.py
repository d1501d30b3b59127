"""Threads that each do one thing for ever, named after the state they are in.

When it reads a line, the thread `holder` takes the GIL and never gives it back.
`#:` marks are explained in live/support/marks.rs.
"""
import hashlib
import json
import os
import re
import select
import socket
import sys
import threading
import time

# How often `wanting` asks for the GIL again, which is work and no waiting.
sys.setswitchinterval(0.1)
HELD = threading.Lock()
HELD.acquire()
NEVER = threading.Event()
SOCKETS = socket.socketpair()
ENDLESS = re.compile("(a+)+b")


def sleeper():
    time.sleep(3600)                                            #: sleeper


def locked():
    with HELD:                                                  #: locked
        pass


def eventful():
    NEVER.wait()                                                #: eventful > wait


def receiver():
    SOCKETS[0].recv(1)                                          #: receiver


def selector():
    select.select(SOCKETS[1:], [], [])                          #: selector


def poller():
    poll = select.poll()
    poll.register(SOCKETS[1], select.POLLIN)
    poll.poll()                                                 #: poller


def hasher():
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2 ** 31 - 1)        #: hasher


def wanting():
    while True:                                                 #: wanting
        time.sleep(0.01)                                        #: wanting


def holder():
    os.read(0, 1)                                               #: holder
    ENDLESS.match("a" * 60)                                     #: holder


def work(role):
    role()                                                      #: work > *


for role in sleeper, locked, eventful, receiver, selector, poller, hasher, wanting, holder:
    threading.Thread(target=work, name=role.__name__, args=[role], daemon=True).start()
print(json.dumps({}), flush=True)
NEVER.wait()                                                    #: <module> > wait
