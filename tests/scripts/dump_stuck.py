"""A thread in an uninterruptible wait, the GIL held, like one whose disk hangs.

posix_spawn does not come back before the child has its files; the one it is to
open first is a pipe without a writer. Its process group is to be killed.
`#:` marks are explained in live/support/marks.rs.
"""
import json
import os
import tempfile
import threading

os.setpgid(0, 0)
DIRECTORY = tempfile.mkdtemp()
PIPE = os.path.join(DIRECTORY, "pipe")
os.mkfifo(PIPE)
# Nothing is left behind: from here on the pipe has no other name.
PATH = "/proc/self/fd/%d" % os.open(PIPE, os.O_PATH)
os.unlink(PIPE)
os.rmdir(DIRECTORY)
FILES = [(os.POSIX_SPAWN_OPEN, 0, PATH, os.O_RDONLY, 0)]


def stuck():
    os.posix_spawn("/bin/true", ["true"], {}, file_actions=FILES)   #: stuck


print(json.dumps({}), flush=True)
threading.Thread(target=stuck, name="stuck").start()                #: <module> > start
