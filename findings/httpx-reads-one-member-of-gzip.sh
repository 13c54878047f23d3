#!/usr/bin/env bash
# httpx 0.28.1 beside requests 2.34.2 with urllib3 2.8.0: a response whose gzip body has two members
#   Expected: the whole text: a gzip file "consists of a series of members" (RFC 1952, 2.2), and `Content-Encoding: gzip` means that format.
#   Observed: httpx decodes the first member and drops the rest, without an error; the length of the body was right, so nothing tells.
#   requests returns both.
#   Why it matters: a server that appends to a compressed file, or compresses parts and joins them, as logs and backups are, serves such
#   bodies; of plain text the reader gets a shorter text. JSON at least does not end.
#     httpx:    b'one\n'
#     requests: b'one\ntwo\n'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check httpx==0.28.1 requests==2.34.2 urllib3==2.8.0
"$folder/venv/bin/python" - <<'PYTHON'
import gzip
import http.server
import threading

import httpx
import requests

BODY = gzip.compress(b"one\n") + gzip.compress(b"two\n")


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *ignored):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/"
seen = (httpx.get(url, trust_env=False).content, requests.get(url, timeout=10).content)
server.shutdown()
print(f"httpx:    {seen[0]}\nrequests: {seen[1]}")
raise SystemExit(0 if seen == (b"one\n", b"one\ntwo\n") else "the behaviour changed")
PYTHON
