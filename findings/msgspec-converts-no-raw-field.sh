#!/usr/bin/env bash
# msgspec 0.22.0: one Struct with a field of Raw, filled from JSON and from the same JSON that json.loads has read
#   Expected: msgspec.convert takes every object whose JSON the decoder takes for the same type; a list of Raw only counts its items.
#   Observed: the decoder takes it; convert refuses every value but a Raw that already exists, and only where there is one: an empty list and
#   null pass, so tests with empty lists are green.
#     decode: 1 item   convert: Expected `raw`, got `object` - at `$.active[0]`   convert of []: 0 items
#   Why it matters: one type served a list that is decoded from bytes and a single object that is kept as a dict; the second failed exactly
#   while there was something to count.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install msgspec==0.22.0
cat > "$folder/look.py" <<'PROGRAM'
import json

import msgspec


class Status(msgspec.Struct):
    active: list[msgspec.Raw]


TEXT = '{"active": [{"name": "nightly-1"}]}'
print("msgspec", msgspec.__version__)
print("guess: both have one item")
print("decode:", len(msgspec.json.decode(TEXT, type=Status).active), "item")
print("convert of []:", len(msgspec.convert({"active": []}, Status).active), "items")
try:
    print("convert:", len(msgspec.convert(json.loads(TEXT), Status).active), "item")
except msgspec.ValidationError as error:
    print("convert:", error)
PROGRAM
seen=$("$folder/venv/bin/python" "$folder/look.py")
echo "$seen"
grep -qx 'decode: 1 item' <<< "$seen" && grep -qx 'convert of \[\]: 0 items' <<< "$seen" &&
  grep -qxF 'convert: Expected `raw`, got `object` - at `$.active[0]`' <<< "$seen"
