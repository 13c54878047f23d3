#!/usr/bin/env bash
# promtool 3.5.0 (github.com/prometheus/prometheus v0.305.0): a rule file with two YAML documents
#   Expected: promtool checks and Prometheus loads both, as kubectl does, or rejects the file.
#   Observed: "SUCCESS: 1 rules found", although the second document has an invalid PromQL expression: promtool never reads it.
#   Why it matters: groups that are appended after "---" are never evaluated, and every check passes.
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
  - name: first
    rules: [{record: a, expr: sum(up)}]
---
groups:
  - name: second
    rules: [{record: b, expr: "sum("}]
YAML
./promtool check rules rules.yaml >seen 2>&1 || { cat seen; echo "the behaviour changed: the second document is read"; exit 1; }
cat seen
grep -q "SUCCESS: 1 rules found" seen || { echo "the behaviour changed"; exit 1; }
