"""A busy thread that gets another name when it is told to, and says so."""
import json
import sys
import threading


def work():
    number = 1
    while True:
        number = (number * 3 + 1) & 65535


thread = threading.Thread(target=work, name="before", daemon=True)
thread.start()
print(json.dumps({}), flush=True)
for line in sys.stdin:
    thread.name = line.strip()
    print(json.dumps({"name": thread.name}), flush=True)
