#!/usr/bin/env bash
# sigs.k8s.io/yaml 1.6.0 (what kubectl writes and reads YAML with): a text with U+0085 (NEXT LINE), written and read back
#   Expected: Marshal and Unmarshal of one library return the same text, as they do for a carriage return, U+2028 and a byte order mark.
#   Observed: U+0085 is written as it is, plain or in single quotes, where YAML 1.1 takes it for the end of a line; read back it is a blank.
#   Why it matters: `kubectl get -o yaml > file; kubectl apply -f file` changes such a value without an error; `-o json` keeps it.
#     "a\u0085b" -> "a b"
#     "a\u2028b" -> "a\u2028b"
#     "a\rb" -> "a\rb"
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
export GOMODCACHE="$folder/modules" GOFLAGS=-mod=mod
go mod init look 2> /dev/null
go get sigs.k8s.io/yaml@v1.6.0 2> /dev/null
cat > main.go <<'PROGRAM'
package main

import (
	"fmt"

	"sigs.k8s.io/yaml"
)

func main() {
	for _, given := range []string{"a\u0085b", "a\u2028b", "a\rb"} {
		text, err := yaml.Marshal(map[string]string{"key": given})
		if err != nil {
			panic(err)
		}
		var back map[string]string
		if err := yaml.Unmarshal(text, &back); err != nil {
			panic(err)
		}
		fmt.Printf("%q -> %q\n", given, back["key"])
	}
}
PROGRAM
go list -m sigs.k8s.io/yaml
echo 'guess: all three come back as they were'
seen=$(go run .)
echo "$seen"
grep -qxF '"a\u0085b" -> "a b"' <<< "$seen" && grep -qxF '"a\u2028b" -> "a\u2028b"' <<< "$seen" && grep -qxF '"a\rb" -> "a\rb"' <<< "$seen"
