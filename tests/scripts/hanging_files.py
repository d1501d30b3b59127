"""Mounts a file system in which the files are there, but reading one never comes
to an end: `hang.py` and whatever else is asked for. The argument is where. Prints
a line when it is mounted, and takes it away at the end of its input.

It speaks the kernel's protocol itself (include/uapi/linux/fuse.h).
"""
import ctypes
import json
import os
import select
import struct
import sys

LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE, FLUSH, INIT, OPENDIR = (
    1, 2, 3, 14, 15, 17, 18, 25, 26, 27)
ROOT, FILE = 1, 2
SIZE = 1 << 20

where = sys.argv[1]
device = os.open("/dev/fuse", os.O_RDWR)
libc = ctypes.CDLL(None, use_errno=True)
options = "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other" % device
if libc.mount(b"hang", where.encode(), b"fuse", 0, options.encode()):
    raise OSError(ctypes.get_errno(), "mount")


def attributes(node):
    mode = 0o040755 if node == ROOT else 0o100755
    return struct.pack(
        "<QQQQQQIIIIIIIIII", node, SIZE, 8, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def answer(unique, body, error=0):
    os.write(device, struct.pack("<IiQ", 16 + len(body), error, unique) + body)


print(json.dumps({}), flush=True)
while True:
    ready, _, _ = select.select([device, sys.stdin], [], [])
    if sys.stdin in ready:
        break
    request = os.read(device, 1 << 20)
    _, code, unique, node = struct.unpack_from("<IIQQ", request)
    if code == INIT:
        answer(unique, struct.pack("<IIIIHHIIHH32x", 7, 31, 0, 0, 12, 9, 1 << 17, 1, 0, 0))
    elif code == LOOKUP:
        answer(unique, struct.pack("<QQQQII", FILE, 0, 3600, 3600, 0, 0) + attributes(FILE))
    elif code == GETATTR:
        answer(unique, struct.pack("<QII", 3600, 0, 0) + attributes(node))
    elif code in (OPEN, OPENDIR):
        answer(unique, struct.pack("<QII", 1, 0, 0))
    elif code == STATFS:
        answer(unique, struct.pack("<QQQQQIIII24x", 1, 1, 1, 1, 1, 4096, 255, 4096, 0))
    elif code in (RELEASE, FLUSH):
        answer(unique, b"")
    elif code not in (READ, FORGET, 42):
        answer(unique, b"", -38)
libc.umount2(where.encode(), 2)
os.close(device)
