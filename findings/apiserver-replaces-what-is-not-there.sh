#!/usr/bin/env bash
# gopkg.in/evanphx/json-patch.v4 4.13.0 (which k8s.io/apiserver 0.36.3 applies JSON patches with) beside jsonpatch 1.48 (PyPI)
#   Expected: `replace` of a member that does not exist is an error, as RFC 6902 (4.3) requires: who writes `replace` and not `add` relies
#   on it to change an object only if the member is there.
#   Observed: on objects it adds the member, without an error, and `copy` from a missing member writes null. `remove` is an error. A
#   kube-apiserver 1.36.3 does the same with a ConfigMap (tests/cluster/test_contract_config_maps.py).
#   Why it matters: `kubectl patch configmap --type=json` with a mistyped key succeeds, and the program reads the old value on; a `test` of
#   the old value before it is what refuses.
#     replace /data/mdoe  {"data":{"mdoe":"fast","mode":"safe"}}
#     copy    /data/none  {"data":{"copied":null,"mode":"safe"}}
#     remove  /data/mdoe  error
#     test    /data/mdoe  error
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check jsonpatch==1.48
cat >go.mod <<'MOD'
module look
require gopkg.in/evanphx/json-patch.v4 v4.13.0
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
)

func main() {
	patch, err := jsonpatch.DecodePatch([]byte("[" + os.Args[1] + "]"))
	if err != nil {
		panic(err)
	}
	patched, err := patch.Apply([]byte(`{"data":{"mode":"safe"}}`))
	if err != nil {
		fmt.Println("error")
		return
	}
	fmt.Println(string(patched))
}
GO
GOFLAGS=-mod=mod GOTOOLCHAIN=local go build -o look .
cat >look.py <<'PYTHON'
import json
import sys

import jsonpatch

try:
    print(json.dumps(jsonpatch.apply_patch({"data": {"mode": "safe"}}, [json.loads(sys.argv[1])])))
except jsonpatch.JsonPatchException:
    print("error")
PYTHON
changed=0
while IFS='|' read -r operation go; do
  seen=$(./look "$operation") python=$(venv/bin/python look.py "$operation")
  echo "$operation   Go: $seen   Python: $python"
  { [ "$seen" = "$go" ] && [ "$python" = error ]; } || changed=1
done <<'OPERATIONS'
{"op":"replace","path":"/data/mdoe","value":"fast"}|{"data":{"mdoe":"fast","mode":"safe"}}
{"op":"copy","from":"/data/none","path":"/data/copied"}|{"data":{"copied":null,"mode":"safe"}}
{"op":"remove","path":"/data/mdoe"}|error
{"op":"test","path":"/data/mdoe","value":"safe"}|error
OPERATIONS
exit $changed
