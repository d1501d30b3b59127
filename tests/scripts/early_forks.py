"""Starts programs that fork, or start others, in their first milliseconds. Whoever
works prints its process id, and how it was started.

They run a copy of the interpreter that is changed each time, so that every time it is
one that nobody has looked into before."""
import json
import os
import shutil
import sys
import tempfile
import threading
import time

# CPU time that each worker takes, in seconds.
WORK = 0.1
# clone(2), on x86_64.
SYS_CLONE = 56
CLONE_PARENT = 0x8000
SIGCHLD = 17


def in_worker(label):
    end = time.process_time() + WORK
    while time.process_time() < end:
        pass
    line = json.dumps({"pid": os.getpid(), "how": label}) + "\n"
    os.write(1, line.encode())


def become(*words):
    os.execv(copy(), program(*words))


def copy():
    return os.environ.get("PYEBPF_COPY", sys.executable)


def program(*words):
    return [copy(), "-S", "-W", "ignore", os.path.abspath(__file__)] + list(words)


def work_and_end(label):
    in_worker(label)
    os._exit(0)


def fork(label):
    if os.fork() == 0:
        work_and_end(label)


def fork_twice(label):
    if os.fork() == 0:
        child = os.fork()
        in_worker(label)
        if child:
            os.wait()
        os._exit(0)


def fork_in_thread(label):
    thread = threading.Thread(target=fork, args=[label])
    thread.start()
    thread.join()


def fork_for_parent(label):
    """A child of whoever started this program: fork(2) knows no such thing."""
    import ctypes

    # With the GIL held, as in os.fork.
    call = ctypes.PyDLL(None).syscall
    if call(SYS_CLONE, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0) == 0:
        work_and_end(label)


def spawn(label):
    """The C library does that by vfork(2) or its like."""
    os.posix_spawn(copy(), program("work", label), os.environ)


def chain(label):
    if os.fork() == 0:
        become("hop", "3", label)


WAYS = {
    way.__name__: way
    for way in [fork, fork_twice, fork_in_thread, fork_for_parent, spawn, chain]
}


def trial(way, milliseconds):
    end = time.monotonic() + int(milliseconds) / 1000
    while time.monotonic() < end:
        pass
    WAYS[way]("%s after %s ms" % (way, milliseconds))
    wait_for_all()


def wait_for_all():
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


def drive(trials, longest):
    with tempfile.TemporaryDirectory() as directory:
        os.environ["PYEBPF_COPY"] = os.path.join(directory, "python3")
        os.environ["PYTHONHOME"] = sys.base_prefix
        shutil.copy(sys.executable, copy())
        drive_copy(int(trials), int(longest))


def drive_copy(trials, longest):
    print(json.dumps({}), flush=True)
    sys.stdin.readline()
    ways = list(WAYS)
    for number in range(trials):
        # Each way with every time.
        milliseconds = number // len(ways) * 7 % (longest + 1)
        os.utime(copy())
        words = program("trial", ways[number % len(ways)], str(milliseconds))
        os.posix_spawn(copy(), words, os.environ)
        wait_for_all()
    print(json.dumps({"done": True}), flush=True)


verb, arguments = sys.argv[1], sys.argv[2:]
if verb == "drive":
    drive(*arguments)
elif verb == "trial":
    trial(*arguments)
elif verb == "hop" and int(arguments[0]) > 1:
    become("hop", str(int(arguments[0]) - 1), arguments[1])
else:
    in_worker(arguments[-1])
