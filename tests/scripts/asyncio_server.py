"""A server on asyncio that answers lines, at rest or, with `load`, under the load
of a client in another thread.
"""
import asyncio
import json
import socket
import sys
import threading


def answer(line):
    number = 1
    for byte in line * 200:
        number = (number * 31 + byte) & 65535
    return number


async def handle(reader, writer):
    while True:
        line = await reader.readline()
        if not line:
            break
        writer.write(b"%d\n" % answer(line))
        await writer.drain()


def ask(port):
    connection = socket.create_connection(("127.0.0.1", port))
    with connection, connection.makefile("rwb") as stream:
        while True:
            stream.write(b"a question of some length\n")
            stream.flush()
            stream.readline()


async def serve(is_loaded):
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    if is_loaded:
        threading.Thread(target=ask, args=(port,), name="client", daemon=True).start()
    print(json.dumps({}), flush=True)
    await asyncio.Event().wait()


asyncio.run(serve(sys.argv[1] == "load"))
