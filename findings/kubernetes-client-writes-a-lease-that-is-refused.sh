#!/usr/bin/env bash
# kubernetes (Python client) 37.0.2, k8s.io/api 0.36.3 (with which the API server decodes): a Lease whose renewTime is a whole second
#   Expected: the client writes a datetime in the form of the field's type, date-time with microseconds, so each is accepted.
#   Observed: it writes isoformat(), which leaves out the fraction of a whole second; MicroTime requires six decimals, and the API server
#   refuses the object. With any other microsecond the same code works.
#   Why it matters: a leader that renews with datetime.now() fails once in a million renewals, and one that rounds to seconds always: in
#   each case with an error about a time that looks right.
#     .123456  accepted
#     .100000  accepted
#     .000000  parsing time "2026-11-30T12:00:00+00:00" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "+00:00" as ".000000"
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check kubernetes==37.0.2
cat >go.mod <<'MOD'
module look
require (
	k8s.io/api v0.36.3
	k8s.io/apimachinery v0.36.3
)
MOD
cat >main.go <<'GO'
package main

import (
	"encoding/json"
	"fmt"
	"os"

	coordination "k8s.io/api/coordination/v1"
)

func main() {
	var lease coordination.Lease
	if err := json.NewDecoder(os.Stdin).Decode(&lease); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("accepted")
}
GO
GOFLAGS=-mod=mod GOTOOLCHAIN=local go build -o look .
cat >look.py <<'PYTHON'
import datetime
import json
import sys

from kubernetes import client

renewed = datetime.datetime(2026, 11, 30, 12, 0, 0, int(sys.argv[1]), tzinfo=datetime.UTC)
lease = client.V1Lease(metadata=client.V1ObjectMeta(name="a"), spec=client.V1LeaseSpec(holder_identity="a", renew_time=renewed))
print(json.dumps(client.ApiClient().sanitize_for_serialization(lease)))
PYTHON
seen=$(for microsecond in 123456 100000 000000; do echo ".$microsecond  $(venv/bin/python look.py "$microsecond" | ./look)"; done)
echo "$seen"
[ "$(grep -c 'accepted$' <<<"$seen")" = 2 ] && grep -q '^\.000000  parsing time .*cannot parse "+00:00" as ".000000"$' <<<"$seen"
