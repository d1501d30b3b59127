"""The kernel makes a thread of its own in this process, for an io_uring, while the only
thread of Python computes. By the argument that thread is "asleep", or "awake" and polls
all the time. Says which threads are the kernel's, or why there is none. Marks are those
of known_chain.py.
"""
import ctypes
import json
import os
import struct
import sys

# include/uapi/asm-generic/unistd.h and include/uapi/linux/io_uring.h.
IO_URING_SETUP, IO_URING_ENTER = 425, 426
SQPOLL, SQ_WAKEUP = 2, 2
IDLE = 600_000  # ms until it would stop polling

library = ctypes.CDLL(None, use_errno=True)
parameters = ctypes.create_string_buffer(struct.pack("<IIIII", 0, 0, SQPOLL, 0, IDLE), 120)
ring = library.syscall(IO_URING_SETUP, 8, parameters)
if ring < 0:
    print(json.dumps({"refused": os.strerror(ctypes.get_errno())}), flush=True)
    raise SystemExit
own = str(os.getpid())
made = [int(tid) for tid in os.listdir("/proc/self/task") if tid != own]


def sleeps(tid):
    with open(f"/proc/self/task/{tid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "S"


# It goes to sleep at once, and polls from when it is woken.
while not all(map(sleeps, made)):
    pass
if sys.argv[1] == "awake":
    library.syscall(IO_URING_ENTER, ring, 0, 0, SQ_WAKEUP, None, 0)
print(json.dumps({"made": made}), flush=True)


def spin():
    number = 1                              #: spin
    while True:                             #: spin
        number = (number * 3 + 1) & 65535   #: spin


spin()                                      #: <module> > spin
