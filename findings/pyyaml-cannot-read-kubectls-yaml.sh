#!/usr/bin/env bash
# PyYAML 6.0.3, sigs.k8s.io/yaml 1.6.0 (what `kubectl get -o yaml` writes with): a ConfigMap whose values are `=` and `<<`
#   Expected: what kubectl prints is YAML for every reader; text that YAML 1.1 gives a meaning of its own is quoted, as `yes` and `1_000` are.
#   Observed: kubectl quotes `yes`, and leaves `=` and `<<` plain. It reads both back as text itself. PyYAML's safe_load does not read the
#   document at all: it takes the two for the types `value` and `merge`, and has a constructor for neither.
#   Why it matters: one character of one value makes a whole backup of objects unreadable for a Python program. The console quotes both.
#     a: =      could not determine a constructor for the tag 'tag:yaml.org,2002:value'
#     a: <<     could not determine a constructor for the tag 'tag:yaml.org,2002:merge'
#     a: "yes"  yes
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install pyyaml==6.0.3
cd "$folder"
export GOMODCACHE="$folder/modules" GOFLAGS=-mod=mod
go mod init look 2> /dev/null
go get sigs.k8s.io/yaml@v1.6.0 2> /dev/null
cat > main.go <<'PROGRAM'
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"sigs.k8s.io/yaml"
)

func main() {
	given, _ := json.Marshal(map[string]string{"a": os.Args[1]})
	text, err := yaml.JSONToYAML(given)
	if err != nil {
		panic(err)
	}
	var back map[string]string
	if err := yaml.Unmarshal(text, &back); err != nil || back["a"] != os.Args[1] {
		panic(fmt.Sprint("not read back: ", err, back))
	}
	fmt.Print(string(text))
}
PROGRAM
cat > look.py <<'PROGRAM'
import sys

import yaml

text = sys.stdin.read()
try:
    found = yaml.safe_load(text)["a"]
except yaml.YAMLError as error:
    found = error.problem
print(f"{text.strip():9} {found}")
PROGRAM
go build -o look .
echo "PyYAML $(venv/bin/python -c 'import yaml; print(yaml.__version__)'), $(go list -m sigs.k8s.io/yaml)"
echo 'guess: all three are read as the text that they are'
seen=$(for text in '=' '<<' yes; do ./look "$text" | venv/bin/python look.py; done)
echo "$seen"
grep -qx 'a: =      could not determine a constructor .*:value.' <<< "$seen" &&
  grep -qx 'a: <<     could not determine a constructor .*:merge.' <<< "$seen" && grep -qx 'a: "yes"  yes' <<< "$seen"
