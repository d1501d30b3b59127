"""Has the file that is its argument mapped as a program, and is busy. The file is
never read: that would not come to an end.
"""
import json
import mmap
import os
import sys

descriptor = os.open(sys.argv[1], os.O_RDONLY)
mapped = mmap.mmap(
    descriptor, 4096, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_EXEC)
print(json.dumps({}), flush=True)
number = 1
while True:
    number = number * 3 + 1 & 65535
