"""Does two things in turn, of which one takes three quarters of its CPU time."""
import json
import time


def slow_query(until):
    number = 1
    while time.thread_time() < until:
        for _ in range(50):
            number = (number * 31 + 7) % 1000003


def answer(until):
    number = 1
    while time.thread_time() < until:
        for _ in range(50):
            number = (number * 17 + 3) % 1000003


def serve():
    while True:
        start = time.thread_time()
        slow_query(start + 0.03)
        answer(start + 0.04)


print(json.dumps({}), flush=True)
serve()
