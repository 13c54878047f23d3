#!/usr/bin/env bash
# urllib3 2.8.0: the exception for a connection that the server refuses at once
#   Expected: a connection error; `except TimeoutError` (urllib3's) means that the timeout passed without a response.
#   Observed: NewConnectionError, which is a ConnectTimeoutError and so a TimeoutError, after some milliseconds of a timeout of 30 s. A
#   name that does not resolve raises it too. Only __cause__ distinguishes a refusal from a reset or a missing route.
#   Why it matters: code that maps timeouts first reports "no answer within 30 s" for a server that refused at once.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check urllib3==2.8.0
"$folder/venv/bin/python" - <<'PY'
import socket
import time

import urllib3
from urllib3.exceptions import MaxRetryError, NameResolutionError, NewConnectionError, TimeoutError

with socket.socket() as taken:
    taken.bind(("127.0.0.1", 0))  # bound and not listening: the kernel refuses
    began = time.monotonic()
    try:
        urllib3.PoolManager(retries=False, timeout=30.0).request("GET", f"http://127.0.0.1:{taken.getsockname()[1]}/")
    except MaxRetryError as error:
        seen = error.reason
    except NewConnectionError as error:
        seen = error
    took = time.monotonic() - began
print(f"urllib3 {urllib3.__version__}: guess no TimeoutError; seen {type(seen).__name__}, a TimeoutError: "
      f"{isinstance(seen, TimeoutError)}, after {took * 1000:.0f} ms, caused by {type(seen.__cause__).__name__}")
assert isinstance(seen, TimeoutError) and isinstance(seen.__cause__, ConnectionRefusedError) and took < 5.0
assert issubclass(NameResolutionError, TimeoutError)
PY
