#!/usr/bin/env bash
# promtool 3.5.0 (github.com/prometheus/prometheus v0.305.0): `promtool test rules` with a group that has an `interval` of its own
#   Expected: the group is evaluated at its interval, as the server does: with `interval: 10m` its series is gone from the fifth
#   minute after an evaluation to the next one.
#   Observed: every group is evaluated at the test's `evaluation_interval`; the series is there at every minute.
#   Why it matters: a test passes for a recording rule whose series is missing half of the time on the server, and an alert's `for`
#   counts from other moments.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
# `go install` refuses the module for its replace directives; a module of one's own that requires it does not.
cat >go.mod <<'MOD'
module promtool
require github.com/prometheus/prometheus v0.305.0
MOD
GOFLAGS=-mod=mod GOTOOLCHAIN=local CGO_ENABLED=0 go build -o promtool github.com/prometheus/prometheus/cmd/promtool

cat >rules.yaml <<'YAML'
groups:
  - name: slow
    interval: 10m
    rules: [{record: recorded, expr: sum(up)}]
YAML
cat >case.yaml <<'YAML'
rule_files: [rules.yaml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series: [{series: up, values: 1+1x30}]
    promql_expr_test:
      # Minute by minute another value: at minute 8 the sum of minute 8, and not that of minute 0.
      - {expr: recorded, eval_time: 8m, exp_samples: [{labels: recorded, value: 9}]}
      - {expr: recorded, eval_time: 9m, exp_samples: [{labels: recorded, value: 10}]}
YAML
if ./promtool test rules case.yaml >seen 2>&1; then
    echo "promtool 3.5.0: guess no series at minute 8; seen a new value at every minute: $(tr -s '\n ' ' ' <seen)"
else
    echo "promtool 3.5.0: the behaviour changed: $(tr -s '\n ' ' ' <seen)"
    exit 1
fi
