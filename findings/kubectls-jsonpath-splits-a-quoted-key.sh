#!/usr/bin/env bash
# k8s.io/client-go 0.36.3 (util/jsonpath, what `kubectl get -o jsonpath` prints with): a key with dots in quotes and brackets
#   Expected: `['app.kubernetes.io/name']` is that key, as in JSONPath (RFC 9535); it is why brackets and quotes exist.
#   Observed: the text in the quotes is split at its dots, as a path. kubectl prints an empty line for what is missing, and exits with 0. A
#   backslash before each dot is needed in the quotes too; a key without dots works in brackets.
#   Why it matters: most labels and annotations have dots, and a script that reads one this way goes on with an empty value.
#     {.metadata.labels['team']}                      shop
#     {.metadata.labels['app.kubernetes.io/name']}
#     {.metadata.labels['app\.kubernetes\.io/name']}  api
#     {.metadata.labels.app\.kubernetes\.io/name}     api
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
cat >go.mod <<'MOD'
module look
require k8s.io/client-go v0.36.3
MOD
cat >main.go <<'GO'
package main

import (
	"os"

	"k8s.io/client-go/util/jsonpath"
)

func main() {
	labels := map[string]any{"team": "shop", "app.kubernetes.io/name": "api"}
	path := jsonpath.New("look").AllowMissingKeys(true) // as kubectl get does, unless --allow-missing-template-keys=false
	if err := path.Parse(os.Args[1]); err != nil {
		panic(err)
	}
	if err := path.Execute(os.Stdout, map[string]any{"metadata": map[string]any{"labels": labels}}); err != nil {
		panic(err)
	}
}
GO
GOFLAGS=-mod=mod GOTOOLCHAIN=local go build -o look .
changed=0
while IFS='|' read -r path expected; do
  seen=$(./look "$path")
  echo "$path  $seen"
  [ "$seen" = "$expected" ] || changed=1
done <<'PATHS'
{.metadata.labels['team']}|shop
{.metadata.labels['app.kubernetes.io/name']}|
{.metadata.labels['app\.kubernetes\.io/name']}|api
{.metadata.labels.app\.kubernetes\.io/name}|api
PATHS
exit $changed
