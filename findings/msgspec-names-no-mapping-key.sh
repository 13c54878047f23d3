#!/usr/bin/env bash
# msgspec 0.22.0: converting a mapping of names to structs in which one entry is invalid
#   Expected: the path in the error names the entry, as it names fields and indexes: $.signals.orders.unit.
#   Observed: msgspec writes every key of a mapping as [...], so the error does not say which of a hundred entries is invalid.
#   Why it matters: to report file, line and name, convert the entries one by one.
#     msgspec 0.22.0
#     field: Expected `int`, got `str` - at `$.unit`
#     list:  Expected `int`, got `str` - at `$[1].unit`
#     dict:  Expected `int`, got `str` - at `$[...].unit`
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install msgspec==0.22.0
cat > "$folder/look.py" <<'PROGRAM'
import msgspec


class Entry(msgspec.Struct):
    unit: int


good, bad = {"unit": 1}, {"unit": "x"}
for name, value, shape in (
    ("field", bad, Entry),
    ("list", [good, bad], list[Entry]),
    ("dict", {"first": good, "orders": bad}, dict[str, Entry]),
):
    try:
        msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        print(f"{name + ':':6} {error}")
PROGRAM
"$folder/venv/bin/pip" --disable-pip-version-check list 2>/dev/null | grep '^msgspec '
seen=$("$folder/venv/bin/python" "$folder/look.py")
echo "guess: dict:  ... at \`\$.orders.unit\`"
echo "$seen"
grep -qF 'list:  Expected `int`, got `str` - at `$[1].unit`' <<<"$seen" && grep -qF 'dict:  Expected `int`, got `str` - at `$[...].unit`' <<<"$seen"
