#!/usr/bin/env bash
# croniter 7.0.0 (PyPI) beside github.com/robfig/cron v3.0.1 (which reads the schedules of Kubernetes' CronJobs): `4-4` in a field
#   Expected: a range whose ends are equal is that one value, as in cron and in robfig/cron: `30 9 * 4-4 *` is due in April only.
#   Observed: croniter expands it to `*`, without an error, in every field: due on every day of the year.
#   Why it matters: schedules are written by programs ("from month X to month Y"); a check that computes with croniter when a job was due
#   reports a missed run every day, for a job that is not due before April.
#     30 9 * 4-4 *   croniter: 2026-01-02 09:30   robfig/cron: 2026-04-01 09:30
#     30 9 * * 1-1   croniter: 2026-01-02 09:30   robfig/cron: 2026-01-05 09:30
#     30 9 * 4-5 *   croniter: 2026-04-01 09:30   robfig/cron: 2026-04-01 09:30
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check croniter==7.0.0
cat >go.mod <<'MOD'
module look
require github.com/robfig/cron/v3 v3.0.1
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/robfig/cron/v3"
)

func main() {
	schedule, err := cron.ParseStandard(os.Args[1])
	if err != nil {
		panic(err)
	}
	fmt.Println(schedule.Next(time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)).Format("2006-01-02 15:04"))
}
GO
GOFLAGS=-mod=mod GOTOOLCHAIN=local go build -o look .
cat >look.py <<'PYTHON'
import datetime
import sys

from croniter import croniter

print(f"{croniter(sys.argv[1], datetime.datetime(2026, 1, 2)).get_next(datetime.datetime):%Y-%m-%d %H:%M}")
PYTHON
changed=0
while read -r python go schedule; do
  seen="$(venv/bin/python look.py "$schedule") $(./look "$schedule")"
  echo "$schedule   croniter and robfig/cron: $seen"
  [ "$seen" = "$python 09:30 $go 09:30" ] || changed=1
done <<'SCHEDULES'
2026-01-02 2026-04-01 30 9 * 4-4 *
2026-01-02 2026-01-05 30 9 * * 1-1
2026-04-01 2026-04-01 30 9 * 4-5 *
SCHEDULES
exit $changed
