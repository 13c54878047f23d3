#!/usr/bin/env bash
# google-re2 1.1.20251105 (PyPI; the RE2 of C++) and amtool 0.35.0 (Go's regexp, "the syntax accepted by RE2")
#   Expected: both are documented as RE2, so both compile the same expressions.
#   Observed: C++ accepts \C (a single byte) and group names such as (?P<é>…); Go rejects both. With Go 1.26 also the reverse: Go accepts
#   \p{Letter}, C++ only \pL. Of 100,000 random expressions nothing else differed, and no match at all.
#   Why it matters: a preview from google-re2 would list alerts for a silence that Alertmanager then rejects with 400.
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check google-re2==1.1.20251105
GOBIN="$folder/bin" GOFLAGS=-mod=mod go install github.com/prometheus/alertmanager/cmd/amtool@v0.35.0
echo "google-re2 1.1.20251105, amtool 0.35.0, $(go version)"

cpp() { "$folder/venv/bin/python" -c 'import re2, sys
options = re2.Options(); options.log_errors = False
try: re2.compile(sys.argv[1], options); print("taken")
except re2.error: print("refused")' "$1"; }
golang() {
  printf '{"route":{"receiver":"r","routes":[{"receiver":"r","matchers":["a=~\\"%s\\""]}]},"receivers":[{"name":"r"}]}' \
    "${1//\\/\\\\\\\\}" >"$folder/config.yml"
  "$folder/bin/amtool" check-config "$folder/config.yml" >/dev/null 2>&1 && echo taken || echo refused
}
changed=0
while read -r expression in_cpp in_go; do
  seen="$(cpp "$expression") $(golang "$expression")"
  echo "$expression: C++ and Go: $seen (expected $in_cpp $in_go)"
  [ "$seen" = "$in_cpp $in_go" ] || changed=1
done <<'EXPRESSIONS'
a+ taken taken
\pL taken taken
(?=a) refused refused
\C taken refused
(?P<é>a) taken refused
\p{Letter} refused taken
EXPRESSIONS
exit $changed
