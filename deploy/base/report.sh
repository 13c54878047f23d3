# Write today's reports into $REPORTS and exit with the worst of their codes; a failed report does not stop the next one.
set -u
day=$(date -u +%Y-%m-%d)
worst=0

keep() {
    name=$1
    shift
    "$@" >"$REPORTS/.$name" 2>"$REPORTS/.$name.stderr"
    code=$?
    mv "$REPORTS/.$name" "$REPORTS/$day-$name"
    echo "$day-$name: exit code $code"
    cat "$REPORTS/.$name.stderr" >&2
    rm -f "$REPORTS/.$name.stderr"
    [ "$code" -le "$worst" ] || worst=$code
}

keep morning.md cad-console checklist morning --format markdown
keep morning.json cad-console checklist morning --format json
keep self-check.xml cad-console check --strict --format junit
find "$REPORTS" -name '20*' -mtime +90 -delete
exit "$worst"
