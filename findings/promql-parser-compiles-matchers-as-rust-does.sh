#!/usr/bin/env bash
# promql-parser 0.12.0 (PyPI) beside google-re2 1.1.20251105: the regular expression of a matcher in `promql_parser.parse`
#   Expected: PromQL uses RE2 syntax, so the parser accepts and rejects the same regular expressions as Prometheus.
#   Observed: the parser compiles each with Rust's regex crate, whose syntax differs. It accepts `a**`, `(?x) a`, `a{2,1001}` and
#   `[a--b]`, which Prometheus rejects, and reports "illegal regex" for `\Qa.b\E`, which Prometheus accepts. Compilation takes two
#   thirds of the parse time.
#   Why it matters: a linter that trusts the parser passes a file that no Prometheus loads, and reports an error in a valid one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet promql-parser==0.12.0 google-re2==1.1.20251105
"$folder/venv/bin/python" - <<'PYTHON'
import json
import timeit

import promql_parser
import re2


def parses(pattern):
    try:
        promql_parser.parse("up{job=~" + json.dumps(pattern) + "}")
    except ValueError:
        return False
    return True


def compiles(pattern):
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile("^(?s:" + pattern + ")$", options)
    except re2.error:
        return False
    return True


seen = {pattern: (parses(pattern), compiles(pattern)) for pattern in ("a**", "(?x) a", "a{2,1001}", "[a--b]", r"\Qa.b\E", "a.+")}
fast, slow = (min(timeit.repeat(lambda text=text: promql_parser.parse(text), number=200, repeat=5)) for text in ('up{a="5.."}', 'up{a=~"5.."}'))
print(f"promql-parser 0.12.0: (parser accepts it, RE2 accepts it): {seen}; a parse with a regular expression takes {slow / fast:.0f} times as long")
expected = dict.fromkeys(("a**", "(?x) a", "a{2,1001}", "[a--b]"), (True, False)) | {r"\Qa.b\E": (False, True), "a.+": (True, True)}
raise SystemExit(0 if seen == expected and slow > 3 * fast else 1)
PYTHON
