#!/usr/bin/env bash
# prometheus_client 0.26.0 (PyPI): `prometheus_client.parser` on a counter whose name does not end in `_total`
#   Expected: the samples have the names that the page has. The text format allows any name, and Prometheus stores it as it is.
#   Observed: the parser for the text format follows a rule of OpenMetrics: the sample `queue_drops` of a counter comes back as
#   `queue_drops_total`, and nothing tells that it is another name. Untyped samples and gauges keep theirs.
#   Why it matters: a tool that looks up a page's metrics in Prometheus through this parser finds nothing, and one that queries
#   `queue_drops` is told that the exporter does not have it. The console keeps the page's names.
#     page: queue_drops 3          parser: queue_drops_total
#     page: http_requests_total 7  parser: http_requests_total
#     page: depth 1                parser: depth
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check prometheus-client==0.26.0
"$folder/venv/bin/python" - <<'PYTHON'
from prometheus_client.parser import text_string_to_metric_families

PAGE = """# TYPE queue_drops counter
queue_drops{queue="a"} 3
# TYPE http_requests_total counter
http_requests_total 7
# TYPE depth gauge
depth 1
"""
seen = [sample.name for family in text_string_to_metric_families(PAGE) for sample in family.samples]
for line, name in zip((line for line in PAGE.splitlines() if not line.startswith("#")), seen, strict=True):
    print(f"page: {line:26} parser: {name}")
raise SystemExit(0 if seen == ["queue_drops_total", "http_requests_total", "depth"] else "the behaviour changed")
PYTHON
