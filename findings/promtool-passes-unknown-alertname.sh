#!/usr/bin/env bash
# promtool 3.5.0 (github.com/prometheus/prometheus v0.305.0): `promtool test rules` with an `alertname` that no rule has
#   Expected: the case fails, or promtool warns that there is no such alert.
#   Observed: SUCCESS, exit 0 and no warning, as long as the case expects no alert.
#   Why it matters: after an alert is renamed, every case of the kind "does not fire when ..." passes forever. tests/rules/run.py
#   compares the names itself.
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
  - name: g
    rules:
      - alert: HighErrorRate
        expr: errors > 1
YAML
cat >case.yaml <<'YAML'
rule_files: [rules.yaml]
tests:
  - interval: 1m
    input_series: [{series: errors, values: 2x10}]
    alert_rule_test:
      - {eval_time: 5m, alertname: HighErrorsRate, exp_alerts: []}
YAML
if ./promtool test rules case.yaml >seen 2>&1; then
    echo "promtool 3.5.0: guess failure; seen exit 0: $(tr -s '\n ' ' ' <seen)"
else
    echo "promtool 3.5.0: the behaviour changed: $(tr -s '\n ' ' ' <seen)"
    exit 1
fi
