#!/usr/bin/env bash
# promtool 3.5.0 (github.com/prometheus/prometheus v0.305.0): {{ $labels.alertname }} and {{ $labels.severity }} in an annotation
#   Expected: the labels of the alert, which Alertmanager's templates and web page show under these names.
#   Observed: both are empty. $labels has the labels of the expression's result, before the rule adds its own labels and its name.
#   Why it matters: runbook_url: https://…/{{ $labels.alertname }}.md becomes "https://…/.md" in every notification.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >go.mod <<'MOD'
module promtool
require github.com/prometheus/prometheus v0.305.0
MOD
GOFLAGS=-mod=mod GOTOOLCHAIN=local CGO_ENABLED=0 go build -o promtool github.com/prometheus/prometheus/cmd/promtool
cat >rules.yaml <<'YAML'
groups:
  - name: g
    rules:
      - alert: Down
        expr: up == 0
        labels: {severity: critical}
        annotations: {summary: "name [{{ $labels.alertname }}] severity [{{ $labels.severity }}] job [{{ $labels.job }}]"}
YAML
cat >case.yaml <<'YAML'
rule_files: [rules.yaml]
tests:
  - interval: 1m
    input_series: [{series: 'up{job="api"}', values: "0 0 0"}]
    alert_rule_test:
      - eval_time: 1m
        alertname: Down
        exp_alerts:
          - exp_labels: {job: api, severity: critical}
            exp_annotations: {summary: "name [] severity [] job [api]"}
YAML
./promtool test rules case.yaml >seen 2>&1 || { cat seen; echo "the behaviour changed"; exit 1; }
echo 'promtool: SUCCESS for the summary "name [] severity [] job [api]"'
