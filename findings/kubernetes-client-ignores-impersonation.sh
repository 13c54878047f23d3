#!/usr/bin/env bash
# kubernetes (Python client) 37.0.2: the kubeconfig fields `as`, `as-groups` and `as-uid` of a user
#   Expected: as with kubectl, every request carries Impersonate-User and its like; or an error, since kubeconfig v1 defines the fields.
#   Observed: they are read over in silence, and requests act with the user's own rights.
#   Why it matters: people give a context `as: viewer` so that a tool cannot change anything by mistake; with this client it can, and what
#   kubectl says about rights is not what the tool has.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check kubernetes==37.0.2
cat >"$folder/ask.py" <<'PYTHON'
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

from kubernetes import client, config

heads = []


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        heads.append({name.lower(): value for name, value in self.headers.items()})
        body = b'{"major": "1", "minor": "36", "gitVersion": "v1.36.0", "gitCommit": "", "gitTreeState": "", "buildDate": "",' \
            b' "goVersion": "", "compiler": "", "platform": ""}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


server = HTTPServer(("127.0.0.1", 0), Server)
Thread(target=server.serve_forever, daemon=True).start()
path = Path(sys.argv[1]) / "config"
path.write_text(f"""
apiVersion: v1
kind: Config
current-context: one
contexts: [{{name: one, context: {{cluster: c, user: u}}}}]
clusters: [{{name: c, cluster: {{server: "http://127.0.0.1:{server.server_port}"}}}}]
users: [{{name: u, user: {{token: t, as: viewer, as-groups: [readers], as-uid: "7"}}}}]
""")
client.VersionApi(config.new_client_from_config(str(path))).get_code()
sent = sorted(name for name in heads[0] if name.startswith("impersonate-"))
rights = heads[0].get("authorization")
print(f"kubernetes 37.0.2: guess Impersonate-User, -Group and -Uid; sent: {sent or 'none of them'}; authorization: {rights}")
sys.exit(0 if not sent and rights == "Bearer t" else 1)
PYTHON
env -u HTTP_PROXY -u http_proxy -u ALL_PROXY -u all_proxy "$folder/venv/bin/python" "$folder/ask.py" "$folder"
