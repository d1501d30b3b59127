"""Writes programs into one file, one after the other, and runs each: one without Python
a few times, then this interpreter. Prints the process id of each interpreter, once it is
told to begin. The arguments are where the file is, and how it is written: `over` the one
before, or after that was `removed`."""
import json
import os
import shutil
import subprocess
import sys
import time

# CPU time that an interpreter takes, in seconds.
WORK = 0.3
# How long the other program runs, in seconds: long enough to be looked at.
PLAIN = "0.1"
ROUNDS = 2


def in_program():
    end = time.process_time() + WORK
    while time.process_time() < end:
        pass


def write(source, program, how):
    if how == "removed" and os.path.exists(program):
        os.unlink(program)
    # Keeps the file, and with it the inode.
    shutil.copyfile(source, program)
    os.chmod(program, 0o755)


def drive(directory, how):
    os.environ["PYTHONHOME"] = sys.base_prefix
    program = os.path.join(directory, "program")
    print(json.dumps({}), flush=True)
    sys.stdin.readline()
    for _ in range(ROUNDS):
        write(shutil.which("sleep"), program, how)
        inode = os.stat(program).st_ino
        for _ in range(3):
            subprocess.run([program, PLAIN], check=True)
        write(sys.executable, program, how)
        words = [program, "-S", os.path.abspath(__file__)]
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL)
        if child.wait():
            sys.exit("the copy of the interpreter failed")
        is_same = inode == os.stat(program).st_ino
        print(json.dumps({"pid": child.pid, "same_inode": is_same}), flush=True)
    print(json.dumps({"done": True}), flush=True)


if len(sys.argv) > 1:
    drive(*sys.argv[1:])
else:
    in_program()
