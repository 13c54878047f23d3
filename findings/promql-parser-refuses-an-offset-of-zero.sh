#!/usr/bin/env bash
# promql-parser 0.12.0 (PyPI) beside the parser of Prometheus 3.5.0 (github.com/prometheus/prometheus v0.305.0): `offset 0s`
#   Expected: both accept the same PromQL of Prometheus 2; an offset of zero is no offset, and the server prints the expression without it.
#   Observed: promql-parser refuses it: "duration must be greater than 0", which Prometheus requires only of ranges and steps. It also
#   refuses `1_000`, a number that Prometheus documents.
#   Why it matters: dashboards with a variable for the comparison (`offset $compare`, "now" is 0s) and generated rules have it; a linter
#   that trusts the parser calls them invalid. The console leaves it out before it parses.
#     errors_total offset 0s         Prometheus: errors_total        promql-parser: duration must be greater than 0
#     rate(errors_total[5m] offset -0s)   the same
#     errors_total > 1_000           Prometheus: errors_total > 1000  promql-parser: bad number or duration syntax: 1_
#     errors_total offset 5m         both take it
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check promql-parser==0.12.0
cat >go.mod <<'MOD'
module look
require github.com/prometheus/prometheus v0.305.0
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"github.com/prometheus/prometheus/promql/parser"
)

func main() {
	expression, err := parser.ParseExpr(os.Args[1])
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	fmt.Println(expression)
}
GO
GOFLAGS=-mod=mod GOTOOLCHAIN=local CGO_ENABLED=0 go build -o look .
cat >look.py <<'PYTHON'
import sys

import promql_parser

try:
    promql_parser.parse(sys.argv[1])
    print("accepted")
except ValueError as error:
    print("error:", error)
PYTHON
changed=0
while IFS='|' read -r text printed python; do
  go=$(./look "$text") seen=$(venv/bin/python look.py "$text")
  echo "$text   Prometheus: $go   promql-parser: $seen"
  { [ "$go" = "$printed" ] && [ "$seen" = "$python" ]; } || changed=1
done <<'EXPRESSIONS'
errors_total offset 0s|errors_total|error: duration must be greater than 0
rate(errors_total[5m] offset -0s)|rate(errors_total[5m])|error: duration must be greater than 0
errors_total > 1_000|errors_total > 1000|error: bad number or duration syntax: 1_
errors_total offset 5m|errors_total offset 5m|accepted
EXPRESSIONS
exit $changed
