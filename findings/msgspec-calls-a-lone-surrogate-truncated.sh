#!/bin/bash
# msgspec 0.22.0, decoding whole JSON texts that hold a lone surrogate, as Python's json.dumps writes one.
# Guess: the error names the surrogate wherever it stands, and "Input data was truncated" is said of a text that was cut off.
# Seen: within the last six bytes the whole text is called truncated; earlier the surrogate is named. It matters here: the
# console tells an answer that a proxy cut off from one that is not JSON, and only this sentence tells the two apart.
#   msgspec 0.22.0
#   early: JSON is malformed: unexpected end of escaped utf-16 surrogate pair (byte 13)
#   late:  Input data was truncated
#   cut:   Input data was truncated
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
