"""h11 with events that are built here: they behave as with a plain import, and none of their methods is compiled."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

USE = """
import json, sys
compiled = []
def watch(event, values):
    if event == "compile" and values[1] == "<string>":
        compiled.append(str(values[0]))
if sys.argv[1] == "lean":
    import dataclasses
    standard = dataclasses.dataclass
    sys.addaudithook(watch)
    from queries.http.lean_h11 import h11
    assert dataclasses.dataclass is standard
else:
    import h11
by_import = [text for text in compiled if "def __" in text]
def outcome(act):
    try:
        return repr(act())
    except Exception as error:
        return type(error).__name__
told = []
def events():
    ok = {"headers": [("Host", "a")]}
    return [
        h11.Request(method="GET", target="/", **ok), h11.Request(method="PUT", target="/", **ok),
        h11.InformationalResponse(status_code=100, headers=[]), h11.Response(status_code=200, headers=[("a", "b")]),
        h11.Data(data=b"x"), h11.Data(data=b"x", chunk_start=True), h11.EndOfMessage(), h11.ConnectionClosed(),
    ]
made, again = events(), events()
for one in made:
    told += [repr(one), outcome(lambda: hash(one)) == "TypeError", [one == other for other in again]]
    told += [outcome(lambda: setattr(one, "data", 1)), outcome(lambda: delattr(one, "headers")), sorted(type(one).__slots__)]
told += [outcome(lambda: h11.Request(method="GET", target="/", headers=[])), outcome(lambda: h11.Response(status_code=99))]
told += [outcome(lambda: h11.Data()), outcome(lambda: h11.ConnectionClosed(1)), outcome(lambda: h11.Data(data=b"", other=1))]
client, server = h11.Connection(h11.CLIENT), h11.Connection(h11.SERVER)
server.receive_data(client.send(made[1]) + client.send(h11.EndOfMessage()))
told += [repr(server.next_event()), repr(server.next_event())]
client.receive_data(b"HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n3\\r\\nabc\\r\\n0\\r\\nA: b\\r\\n\\r\\n")
told += [repr(client.next_event()) for _ in range(3)]
print(json.dumps([told, by_import]))
"""


def use(which: str) -> list[Any]:
    done = subprocess.run([sys.executable, "-c", USE, which], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found


def test_events_are_h11s() -> None:
    """Text, equality, hash, what is refused, and two exchanges are equal; the import compiles no method."""
    told, compiled = use("lean")
    plain, _ = use("plain")
    assert told == plain
    assert len(told) > 50 and "FrozenInstanceError" in told
    assert compiled == []
