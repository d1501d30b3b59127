"""A web service under gunicorn: two worker processes with four threads each.

`bench_web.py DIRECTORY` takes gunicorn from that directory, beside this file.
Prints `ready PORT` when it listens. It ends when it is killed.
"""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), sys.argv[1]))

from gunicorn.app.base import BaseApplication  # noqa: E402

PRICES = {"item %d" % number: number * 37 % 101 for number in range(400)}


def find_items(query):
    return sorted(name for name in PRICES if query in name)


def price_of(names):
    total = 0
    for name in names:
        total += PRICES[name]
    return total


def render(query, names):
    lines = ["%s: %d" % (name, PRICES[name]) for name in names]
    return json.dumps({"query": query, "total": price_of(names), "lines": lines})


def application(environ, start_response):
    query = environ.get("QUERY_STRING", "")
    body = render(query, find_items(query)).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]


class Service(BaseApplication):
    def load_config(self):
        self.cfg.set("bind", "127.0.0.1:0")
        self.cfg.set("workers", 2)
        self.cfg.set("threads", 4)
        self.cfg.set("keepalive", 60)
        self.cfg.set("loglevel", "error")
        self.cfg.set("control_socket_disable", True)
        self.cfg.set("when_ready", announce)

    def load(self):
        return application


def announce(server):
    port = server.LISTENERS[0].sock.getsockname()[1]
    print("ready %d" % port, flush=True)


Service().run()
