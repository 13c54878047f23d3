#!/usr/bin/env bash
# requests 2.34.2 with urllib3 2.8.0 (over Python's http.client): a response preceded by 103 Early Hints
#   Expected: requests skips an informational response, as RFC 9110 (15.2) requires of every client, and returns status 200 with its
#   JSON, as httpx 0.28.1 does.
#   Observed: http.client skips only 100. requests returns 103 as the response, with an empty body, and raises nothing:
#   `raise_for_status` accepts it, and the real response stays unread on the connection.
#   Why it matters: the console queries Prometheus through requests off the refresh path, and a proxy that sends early hints turns a
#   good response into an empty one.
#     requests 2.34.2
#     urllib3  2.8.0
#     requests: 103 b''
#     httpx:    200 b'{"status":"success"}'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install requests==2.34.2 urllib3==2.8.0 httpx==0.28.1
cat > "$folder/look.py" <<'PROGRAM'
import socket
import threading

import httpx
import requests

BODY = b'{"status":"success"}'
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
listener = socket.create_server(("127.0.0.1", 0))


def answer(connection: socket.socket) -> None:
    with connection:
        connection.recv(65536)
        connection.sendall(HINTS + ANSWER)
        while connection.recv(65536):
            pass


def serve() -> None:
    while True:
        threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()


threading.Thread(target=serve, daemon=True).start()
url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
session = requests.Session()
session.trust_env = False
one = session.get(url, timeout=5)
one.raise_for_status()
print("requests:", one.status_code, one.content)
session.close()
two = httpx.get(url, timeout=5, trust_env=False)
print("httpx:   ", two.status_code, two.content)
PROGRAM
"$folder/venv/bin/pip" --disable-pip-version-check list 2>/dev/null | grep -E '^(requests|urllib3) '
seen=$("$folder/venv/bin/python" "$folder/look.py")
echo "guess: 200 both times"
echo "$seen"
grep -q "^requests: 103 b''$" <<<"$seen" && grep -q '^httpx: *200 ' <<<"$seen"
