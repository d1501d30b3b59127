"""A small service to watch: an HTTP server on the loopback interface whose
workers parse JSON, search text and hash, and a client that keeps it busy.

Prints "ready" when it serves, and ends when its standard input closes.
"""

import hashlib
import http.client
import itertools
import json
import queue
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORKERS = 3
ORDERS_PER_REQUEST = 400
WORD = re.compile(r"\b([a-z]+)-(\d+)\b")

jobs = queue.Queue(maxsize=WORKERS * 2)


class Job:
    """One request on its way through a worker."""

    def __init__(self, body):
        self.body = body
        self.answer = None
        self.done = threading.Event()


def parse_orders(body):
    return json.loads(body)["orders"]


def price_order(order):
    total = 0
    for name, amount in order["items"].items():
        total += amount * (len(name) + 3) % 97
    return total


def price_orders(orders):
    return [price_order(order) for order in orders]


def find_references(orders):
    found = {}
    for order in orders:
        for word, number in WORD.findall(order["note"]):
            found.setdefault(word, set()).add(int(number))
    return {word: len(numbers) for word, numbers in found.items()}


def sign_answer(body):
    digest = body
    for _ in range(40):
        digest = hashlib.sha256(digest + body).digest()
    return digest.hex()


def handle_job(job):
    orders = parse_orders(job.body)
    answer = {
        "prices": price_orders(orders),
        "references": find_references(orders),
        "signature": sign_answer(job.body),
    }
    job.answer = json.dumps(answer).encode()
    job.done.set()


def worker_loop():
    while True:
        handle_job(jobs.get())


class OrderHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        job = Job(self.rfile.read(int(self.headers["Content-Length"])))
        jobs.put(job)
        job.done.wait()
        self.send_response(200)
        self.send_header("Content-Length", str(len(job.answer)))
        self.end_headers()
        self.wfile.write(job.answer)

    def log_message(self, *arguments):
        pass


def make_request(number):
    orders = [
        {
            "items": {"item-%d" % item: item * number % 11 for item in range(12)},
            "note": " ".join("order-%d part-%d" % (order, part) for part in range(6)),
        }
        for order in range(ORDERS_PER_REQUEST)
    ]
    return json.dumps({"orders": orders}).encode()


def client_loop(port, offset):
    requests = [make_request(offset + number) for number in range(4)]
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for body in itertools.cycle(requests):
        connection.request("POST", "/price", body)
        json.loads(connection.getresponse().read())


def start_thread(name, function, *arguments):
    threading.Thread(target=function, args=arguments, name=name, daemon=True).start()


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), OrderHandler)
    server.daemon_threads = True
    start_thread("server", server.serve_forever)
    for number in range(WORKERS):
        start_thread("worker-%d" % number, worker_loop)
    for number in range(2):
        start_thread("client-%d" % number, client_loop, server.server_port, number * 10)
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
