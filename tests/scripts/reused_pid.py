"""Starts processes one after the other that all have the same number: by turns
a program and a fork of this one. Each runs one script of a directory.

reused_pid.py DIRECTORY COUNT INTERPRETER…
"""
import ctypes
import json
import os
import signal
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
CLONE3 = 435


class CloneArguments(ctypes.Structure):
    """struct clone_args (include/uapi/linux/sched.h)."""
    _fields_ = [(name, ctypes.c_uint64) for name in (
        "flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack",
        "stack_size", "tls", "set_tid", "set_tid_size", "cgroup",
    )]


def clone(pid):
    """Like fork, with the number that the child gets (Linux 5.5)."""
    wanted = (ctypes.c_int32 * 1)(pid)
    arguments = CloneArguments(
        exit_signal=signal.SIGCHLD, set_tid=ctypes.addressof(wanted), set_tid_size=1)
    result = LIBC.syscall(CLONE3, ctypes.byref(arguments), ctypes.c_size_t(88))
    if result < 0:
        raise OSError(ctypes.get_errno(), "clone3 with a chosen number")
    return result


def start_program(pid, interpreter, path):
    if clone(pid) == 0:
        os.execv(interpreter, [interpreter, path])


def start_fork(pid, path):
    while True:
        with open("/proc/sys/kernel/ns_last_pid", "w") as last:
            last.write(str(pid - 1))
        child = os.fork()
        if child == 0:
            if os.getpid() == pid:
                with open(path) as script:
                    exec(compile(script.read(), path, "exec"), {})
            os._exit(0)
        if child == pid:
            return
        # Another process of this machine was faster.
        os.waitpid(child, 0)


def free_number():
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return child


def run(directory, count, interpreters):
    pid = free_number()
    for number in range(count):
        path = os.path.join(directory, "script_%d.py" % number)
        if number % 2:
            start_fork(pid, path)
        else:
            start_program(pid, interpreters[number // 2 % len(interpreters)], path)
        _, status = os.waitpid(pid, 0)
        if status != 0:
            raise SystemExit("script %d ended with %d" % (number, status))
    return pid


print(json.dumps({}), flush=True)
sys.stdin.readline()
print(json.dumps({"pid": run(sys.argv[1], int(sys.argv[2]), sys.argv[3:])}), flush=True)
sys.stdin.read()
