"""One thread that spends its time in C code with the GIL released."""
import hashlib
import json
import threading

BUFFER = bytes(64 << 20)


def hash_it():
    while True:                                         #: hash_it
        hashlib.sha256(BUFFER)                          #: hash_it


def work():
    hash_it()                                           #: work > hash_it


print(json.dumps({}), flush=True)
thread = threading.Thread(target=work, name="hasher")
thread.start()
thread.join()
