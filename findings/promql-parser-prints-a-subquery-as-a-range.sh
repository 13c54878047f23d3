#!/usr/bin/env bash
# promql-parser 0.12.0 (PyPI): `str()` of a parsed expression
#   Expected: the text parses again and means the same, as the String() of Prometheus' own parser does, which the server prints rules with.
#   Observed: a subquery without a step loses its colon, so `max_over_time(x[5m:])`, the highest of evaluations, becomes
#   `max_over_time(x[5m])`, the highest of samples: valid, and another value. A raw string's `\n` (two characters) becomes an escaped line
#   break. Quoted label names lose their quotes. `prettify()` of the same tree is right each time.
#   Why it matters: whoever rewrites a query and sends str(tree) asks the server something else, without any error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check promql-parser==0.12.0
"$folder/venv/bin/python" - <<'PYTHON'
import promql_parser

QUERIES = ["max_over_time(x[5m:])", r"x{a=`b\n`}", 'sum by ("http.route") (x)']
seen = {query: (str(tree := promql_parser.parse(query)), tree.prettify()) for query in QUERIES}
print("promql-parser 0.12.0; guess: str() and prettify() mean the query")
for query, (printed, pretty) in seen.items():
    print(f"  {query}  str: {printed}  prettify: {pretty}")
expected = {
    QUERIES[0]: ("max_over_time(x{}[5m])", "max_over_time(x[5m:])"),
    QUERIES[1]: (r'x{a="b\n"}', r'x{a="b\\n"}'),
    QUERIES[2]: ("sum by (http.route)(x{})", 'sum by ("http.route") (x)'),
}
raise SystemExit(0 if seen == expected else 1)
PYTHON
