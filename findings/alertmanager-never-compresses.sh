#!/usr/bin/env bash
# Alertmanager 0.28.1 (0.35.0 behaves the same): GET /api/v2/alerts with `Accept-Encoding: gzip`
#   Expected: a gzip response, as from the API of Prometheus, its closest relative.
#   Observed: no Content-Encoding, at any size; 500 small alerts are 150 KB with every request.
#   Why it matters: a console that polls every few seconds over a slow connection must poll less often or put a proxy in between;
#   Accept-Encoding gains nothing.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
export GOPATH="$folder/go" GOBIN="$folder/bin" GOFLAGS=-mod=mod GOTOOLCHAIN=local

cat >"$folder/alertmanager.yml" <<'YAML'
route: {receiver: nobody}
receivers: [{name: nobody}]
YAML
python3 - >"$folder/alerts.json" <<'PY'
import json
print(json.dumps([{"labels": {"alertname": "Same", "instance": str(number)}} for number in range(500)]))
PY

version=0.28.1
go install "github.com/prometheus/alertmanager/cmd/alertmanager@v$version"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$GOBIN/alertmanager" --config.file="$folder/alertmanager.yml" --storage.path="$folder/data" \
    --web.listen-address="127.0.0.1:$port" --cluster.listen-address= >"$folder/log" 2>&1 &
server=$!
for _ in $(seq 50); do curl -fs "http://127.0.0.1:$port/-/ready" >/dev/null && break; sleep 0.2; done
curl -fsS -H 'Content-Type: application/json' --data-binary "@$folder/alerts.json" "http://127.0.0.1:$port/api/v2/alerts"
curl -fsS -H 'Accept-Encoding: gzip' -D "$folder/headers" -o "$folder/body" "http://127.0.0.1:$port/api/v2/alerts"
encoding=$(tr -d '\r' <"$folder/headers" | awk 'tolower($1) == "content-encoding:" { print $2 }')
echo "Alertmanager $version: guess gzip; seen ${encoding:-no Content-Encoding}, $(wc -c <"$folder/body") bytes for 500 alerts"
[ -z "$encoding" ]
