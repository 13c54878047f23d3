#!/usr/bin/env bash
# websocket-client 1.9.2 (PyPI): the answer to an upgrade
#   Expected: a few calls of recv for a head of 20 KB, such as a proxy with tracing and cookies sends.
#   Observed: one call of recv for each byte of the head; over TLS each is a call into the library too. There is no limit to a head.
#   Why it matters: a follower of logs that connects to many tails spends its start there. A socket that reads ahead is not enough to make
#   it fast: the client's own code between two bytes costs as much as the system call.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check websocket-client==1.9.2
"$folder/venv/bin/python" - <<'PYTHON'
import base64
import hashlib
import socket
from threading import Thread

import websocket

COOKIES = 100
size = 0


class Counting:
    def __init__(self, connection):
        self.connection, self.calls = connection, 0

    def recv(self, count):
        self.calls += 1
        return self.connection.recv(count)

    def __getattr__(self, name):
        return getattr(self.connection, name)


def serve(connection):
    global size
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(4096)
    key = next(line.split(b":")[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    lines = [b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Accept: " + accept]
    lines += [b"X-Trace-%d: %s" % (number, b"a" * 180) for number in range(COOKIES)]
    answer = b"\r\n".join([*lines, b"", b""])
    size = len(answer)
    connection.sendall(answer)


ours, theirs = socket.socketpair()
thread = Thread(target=serve, args=(theirs,))
thread.start()
counting = Counting(ours)
client = websocket.WebSocket()
client.connect("ws://localhost/tail", socket=counting)
thread.join()
print(f"websocket-client 1.9.2: a head of {size} bytes; guess under 20 calls of recv, seen {counting.calls}")
raise SystemExit(0 if counting.calls == size else 1)
PYTHON
