#!/usr/bin/env bash
# Prometheus 3.5.0 (github.com/prometheus/prometheus v0.305.0): `humanizePercentage` in the text of an alert
#   Expected: enough digits to tell the value from 100 %, as `humanize` and `humanizeDuration` shorten without changing what is meant.
#   Observed: four significant digits: from 0.99995 on the text is "100%".
#   Why it matters: an alert about an objective of 99.999 % says "availability is 100%, below its objective" whenever it fires; an error
#   ratio is right to four digits, so write 1 minus the value, or `printf "%.4f"`.
#     0.9990   99.9%
#     0.9999   99.99%
#     0.99995  100%
#     0.99998  100%
#     0.00002  0.002%
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
cat >go.mod <<'MOD'
module look
require (
	github.com/prometheus/common v0.65.0
	github.com/prometheus/prometheus v0.305.0
)
MOD
cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"net/url"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/template"
)

func main() {
	for _, value := range []float64{0.999, 0.9999, 0.99995, 0.99998, 0.00002} {
		data := template.AlertTemplateData(map[string]string{}, nil, "", promql.Sample{F: value})
		text := "{{ .Value | humanizePercentage }}"
		expander := template.NewTemplateExpander(context.Background(), text, "look", data, model.Now(), nil, &url.URL{}, nil)
		expanded, err := expander.Expand()
		if err != nil {
			panic(err)
		}
		fmt.Printf("%v %s\n", value, expanded)
	}
}
GO
GOFLAGS=-mod=mod GOTOOLCHAIN=local CGO_ENABLED=0 go build -o look .
seen=$(./look)
echo "$seen"
[ "$seen" = "0.999 99.9%
0.9999 99.99%
0.99995 100%
0.99998 100%
2e-05 0.002%" ]
