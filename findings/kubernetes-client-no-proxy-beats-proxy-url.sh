#!/usr/bin/env bash
# kubernetes (Python client) 37.0.2: the kubeconfig field `proxy-url`
#   Expected: as in kubectl, the client uses the cluster's own `proxy-url` regardless of NO_PROXY, which applies to the proxies of the
#   environment. (client-go passes the field to http.ProxyURL, which reads no variable.)
#   Observed: with NO_PROXY=10.0.0.0/8, as clusters set it, the client connects to 10.1.2.3 directly, past the bastion that the
#   kubeconfig requires.
#   Why it matters: the console reads kubeconfigs with this client and must reach what kubectl reaches.
#     kubernetes 37.0.2
#     NO_PROXY unset:      ProxyManager
#     NO_PROXY=10.0.0.0/8: PoolManager
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install kubernetes==37.0.2
cat > "$folder/config" <<'CONFIG'
apiVersion: v1
kind: Config
current-context: one
contexts: [{name: one, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://10.1.2.3:6443", proxy-url: "http://bastion.example.com:3128"}}]
users: [{name: u, user: {token: t}}]
CONFIG
cat > "$folder/look.py" <<'PROGRAM'
import sys
from kubernetes import client, config
configuration = client.Configuration()
config.load_kube_config(sys.argv[1], client_configuration=configuration)
print(type(client.ApiClient(configuration).rest_client.pool_manager).__name__)
PROGRAM
"$folder/venv/bin/pip" --disable-pip-version-check list 2>/dev/null | grep '^kubernetes '
clean=(env -u NO_PROXY -u no_proxy -u HTTPS_PROXY -u https_proxy -u ALL_PROXY -u all_proxy)
without=$("${clean[@]}" "$folder/venv/bin/python" "$folder/look.py" "$folder/config")
with=$("${clean[@]}" NO_PROXY=10.0.0.0/8 "$folder/venv/bin/python" "$folder/look.py" "$folder/config")
echo "guess: ProxyManager both times"
echo "NO_PROXY unset:      $without"
echo "NO_PROXY=10.0.0.0/8: $with"
test "$without" = ProxyManager && test "$with" = PoolManager
