#!/usr/bin/env bash
# opentelemetry-exporter-prometheus 0.66b2 (PyPI) beside github.com/prometheus/otlptranslator v1.0.0 (names what Prometheus 3 receives
# by OTLP): one instrument, scraped from Python's /metrics or sent by OTLP
#   Expected: one name on both ways, since one OpenTelemetry specification says how a metric is named in Prometheus.
#   Observed: a gauge of unit `1` has no `_ratio` on the page, and has it by OTLP; a unit that the name already has in another place than
#   its end is written once more on the page, and not by OTLP.
#   Why it matters: a service that changes from scraping to OTLP keeps its code and loses its panels and alerts, for these metrics only.
#     cpu.utilization  1    gauge    page: cpu_utilization                  OTLP: cpu_utilization_ratio
#     bytes.received   By   counter  page: bytes_received_bytes_total       OTLP: bytes_received_total
#     disk.io          By   counter  page: disk_io_bytes_total              OTLP: disk_io_bytes_total
#     queue.wait       ms   gauge    page: queue_wait_milliseconds          OTLP: queue_wait_milliseconds
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check opentelemetry-exporter-prometheus==0.66b2 opentelemetry-sdk==1.45.2
cat >go.mod <<'MOD'
module look
require github.com/prometheus/otlptranslator v1.0.0
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"github.com/prometheus/otlptranslator"
)

func main() {
	kind := otlptranslator.MetricType(otlptranslator.MetricTypeGauge)
	if os.Args[3] == "counter" {
		kind = otlptranslator.MetricTypeMonotonicCounter
	}
	namer := otlptranslator.MetricNamer{WithMetricSuffixes: true}
	name, err := namer.Build(otlptranslator.Metric{Name: os.Args[1], Unit: os.Args[2], Type: kind})
	if err != nil {
		panic(err)
	}
	fmt.Println(name)
}
GO
GOFLAGS=-mod=mod GOTOOLCHAIN=local go build -o look .
cat >look.py <<'PYTHON'
import sys

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import REGISTRY, generate_latest

name, unit, kind = sys.argv[1:]
meter = MeterProvider(metric_readers=[PrometheusMetricReader()]).get_meter("look")
if kind == "counter":
    meter.create_counter(name, unit=unit).add(1)
else:
    meter.create_gauge(name, unit=unit).set(1)
print(next(line.partition("{")[0] for line in generate_latest(REGISTRY).decode().splitlines() if 'otel_scope_name="look"' in line))
PYTHON
changed=0
while read -r name unit kind page otlp; do
  seen="$(venv/bin/python look.py "$name" "$unit" "$kind") $(./look "$name" "$unit" "$kind")"
  echo "$name $unit $kind   page and OTLP: $seen"
  [ "$seen" = "$page $otlp" ] || changed=1
done <<'METRICS'
cpu.utilization 1 gauge cpu_utilization cpu_utilization_ratio
bytes.received By counter bytes_received_bytes_total bytes_received_total
disk.io By counter disk_io_bytes_total disk_io_bytes_total
queue.wait ms gauge queue_wait_milliseconds queue_wait_milliseconds
METRICS
exit $changed
