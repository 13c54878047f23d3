#!/usr/bin/env bash
# msgspec 0.22.0: decoding complete JSON documents with a lone surrogate, as Python's json.dumps writes one
#   Expected: the error names the surrogate wherever it is, and "Input data was truncated" means that the document is cut off.
#   Observed: if the surrogate is within the last six bytes, msgspec calls the whole document truncated; earlier, it names the surrogate.
#   Why it matters: the console distinguishes a response that a proxy cut off from one that is not JSON by this message alone.
#     msgspec 0.22.0
#     early: JSON is malformed: unexpected end of escaped utf-16 surrogate pair (byte 13)
#     late:  Input data was truncated
#     cut:   Input data was truncated
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install msgspec==0.22.0
cat > "$folder/look.py" <<'PROGRAM'
import json

import msgspec

TEXTS = {"early": json.dumps({"a": "\ud800", "b": 1}), "late": json.dumps({"a": "\ud800"}), "cut": '{"a": "b'}
assert json.loads(TEXTS["early"])["b"] == 1 and json.loads(TEXTS["late"]) == {"a": "\ud800"}  # both are whole
for name, text in TEXTS.items():
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        print(f"{name + ':':6} {error}")
PROGRAM
"$folder/venv/bin/pip" --disable-pip-version-check list 2>/dev/null | grep '^msgspec '
seen=$("$folder/venv/bin/python" "$folder/look.py")
echo "guess: a surrogate is named early and late"
echo "$seen"
grep -q '^early: .*surrogate' <<<"$seen" && grep -q '^late:  Input data was truncated$' <<<"$seen"
