#!/usr/bin/env bash
# promtool 3.5.0 (github.com/prometheus/prometheus v0.305.0) and PyYAML 6.0.3: unquoted label values
#   Expected: the values that YAML defines, as text ("true", "10", "1.1"), or an error.
#   Observed: Prometheus keeps every scalar as written ("yes", "012", "1.10", "1:30") and drops a null; PyYAML returns True, 10, 1.1
#   and 90.
#   Why it matters: a Python tool that reads rule files sees other labels than Prometheus attaches, and so checks routes and silences
#   against alerts that will never exist.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >go.mod <<'MOD'
module promtool
require github.com/prometheus/prometheus v0.305.0
MOD
GOFLAGS=-mod=mod GOTOOLCHAIN=local CGO_ENABLED=0 go build -o promtool github.com/prometheus/prometheus/cmd/promtool
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check pyyaml==6.0.3

cat >rules.yaml <<'YAML'
groups:
  - name: g
    rules:
      - alert: Always
        expr: vector(1)
        labels: {severity: yes, octal: 012, release: 1.10, clock: 1:30, nothing: }
YAML
cat >case.yaml <<'YAML'
rule_files: [rules.yaml]
tests:
  - interval: 1m
    alert_rule_test:
      - eval_time: 1m
        alertname: Always
        exp_alerts: [{exp_labels: {severity: "yes", octal: "012", release: "1.10", clock: "1:30"}}]
YAML
./promtool test rules case.yaml >seen 2>&1 || { cat seen; echo "promtool: the behaviour changed"; exit 1; }
echo "promtool: SUCCESS for severity=\"yes\" octal=\"012\" release=\"1.10\" clock=\"1:30\", and no label for null"
venv/bin/python - <<'PY'
import yaml

labels = yaml.safe_load(open("rules.yaml"))["groups"][0]["rules"][0]["labels"]
print("PyYAML:  ", labels)
assert labels == {"severity": True, "octal": 10, "release": 1.1, "clock": 90, "nothing": None}, "the behaviour changed"
PY
