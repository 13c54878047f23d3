"""`cad-console status`: prints one snapshot, for people, scripts and chat."""

from __future__ import annotations

import argparse
import sys

from console.checks.workloads import WorkloadVerdict
from console.cli.alert_row import alert_row
from console.cli.one_shot import UsageError, fetch_snapshot, print_caveat
from console.config.load import load_settings
from console.monitor.source_results import PROMETHEUS
from console.state import snapshot_json
from console.state.platform_json import platform_rows
from console.state.snapshot import Snapshot
from queries.model.cluster import Cluster, describe_forbidden
from queries.model.panel import PanelState
from queries.model.source import Health, SourceState
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.model.workload import Workload
from queries.text.durations import format_duration, format_span
from queries.text.numbers import format_brief, format_figure
from queries.text.tables import align, escape_markdown, format_markdown_table

HEALTHY, CRITICAL, UNANSWERED, UNKNOWN = 0, 1, 2, 3
_ALERTS_SHOWN = 50


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("text", "json", "markdown"), default="text")
    parser.add_argument("--at", metavar="TIME", default="", help="as of then: 03:12, -2h, '2026-11-29 03:12', 'incident 4'")


def run(arguments: argparse.Namespace) -> int:
    try:
        snapshot = fetch_snapshot(load_settings(arguments), at=arguments.at)
    except UsageError as error:
        print(f"cad-console status: --at: {visible(str(error))}", file=sys.stderr)
        return UNANSWERED
    print_caveat(snapshot)
    if arguments.format == "json":
        print(snapshot_json.dumps(snapshot_json.document(snapshot)))
    else:
        print(as_markdown(snapshot) if arguments.format == "markdown" else as_text(snapshot))
    return exit_code(snapshot)


def exit_code(snapshot: Snapshot) -> int:
    """1 if anything is critical; this has precedence.

    2 if nothing can be evaluated: no source answered, or no measured panel has a current value. 3 if a panel is in doubt or its
    query failed, a configured source did not answer, no server listed the alerts, a list is partial, or one that is not listed
    may be firing: unknown is never healthy.
    """
    if not snapshot.answered:
        return UNANSWERED
    if snapshot.critical:
        return CRITICAL
    measured = [item for item in snapshot.panels if item.spec.source == PROMETHEUS]
    if not any(item.verdict.known for item in measured):
        return UNANSWERED
    if snapshot.in_doubt or snapshot.alerts_partial or not snapshot.alerts_known:
        return UNKNOWN
    if any(item.failed for item in snapshot.panels):
        return UNKNOWN
    if snapshot.as_of is not None:
        return HEALTHY
    configured = [item for item in snapshot.sources if item.health is not Health.NOT_CONFIGURED]
    silent = not all(item.health.serves for item in configured)
    return UNKNOWN if silent or snapshot.ends_caveat or snapshot.delivery_doubt else HEALTHY


def as_text(snapshot: Snapshot) -> str:
    """For a terminal: sources, panels, alerts, workloads."""
    blocks = [
        headline(snapshot),
        "Sources\n" + align([_source(item, snapshot.taken_at) for item in snapshot.sources], indent="  "),
        "Panels\n" + align([_panel(item) for item in snapshot.panels], indent="  "),
        f"{alerts_title(snapshot)}\n"
        + align([alert_row(item, snapshot.taken_at) for item in snapshot.alerts[:_ALERTS_SHOWN]], indent="  "),
    ]
    if snapshot.platform_verdict is not None:
        blocks.insert(2, "Platform\n" + align(platform_rows(snapshot.platform_verdict), indent="  "))
    if snapshot.cluster is not None:
        rows = [_workload(item) for item in snapshot.workloads]
        blocks.append("\n".join(filter(None, ("Workloads", align(rows, indent="  "), _not_visible(snapshot.cluster)))))
    return "\n\n".join(block.rstrip() for block in blocks)


def as_markdown(snapshot: Snapshot) -> str:
    """For a ticket or a chat."""
    now = snapshot.taken_at
    blocks = [
        f"## {escape_markdown(headline(snapshot))}",
        format_markdown_table(("source", "state", "", ""), [_source(item, now) for item in snapshot.sources]),
        format_markdown_table(("verdict", "panel", "value", "limits", "", "from"), [_panel(item) for item in snapshot.panels]),
        f"### {escape_markdown(alerts_title(snapshot))}",
    ]
    if snapshot.platform_verdict is not None:
        blocks.insert(2, format_markdown_table(("verdict", "platform", "", ""), platform_rows(snapshot.platform_verdict)))
    if snapshot.alerts:
        head = ("priority", "severity", "alert", "component", "since", "state", "owner", "runbook")
        blocks.append(format_markdown_table(head, [alert_row(item, now) for item in snapshot.alerts[:_ALERTS_SHOWN]]))
    if snapshot.workloads:
        rows = [_workload(item) for item in snapshot.workloads]
        blocks.append(format_markdown_table(("verdict", "workload", "ready", "revision", ""), rows))
    if snapshot.cluster is not None and (sentence := _not_visible(snapshot.cluster)):
        blocks.append(escape_markdown(sentence.strip()))
    return "\n\n".join(blocks)


def headline(snapshot: Snapshot) -> str:
    """The environment, the mode and the user."""
    mode = "READ-ONLY" if snapshot.read_only else "ACTING"
    where = f"{visible(snapshot.environment)} · {visible(snapshot.namespace)}"
    if snapshot.as_of is not None:
        mode = f"AS OF {snapshot_json.format_json_time(snapshot.as_of.moment)} · {mode}"
    taken_at = snapshot.as_of.queried_at if snapshot.as_of else snapshot.taken_at
    return f"{where} · {mode} ({visible(snapshot.user)}) · {snapshot_json.format_json_time(taken_at)}"


def alerts_title(snapshot: Snapshot) -> str:
    """The number of alerts, with what makes the list unreliable."""
    if not snapshot.alerts_known:
        return "Alerts: unknown, neither Alertmanager nor Prometheus returned them"
    total = len(snapshot.alerts)
    more = f", the first {_ALERTS_SHOWN} shown" if total > _ALERTS_SHOWN else ""
    caveats = (visible(snapshot.alerts_caveat), visible(snapshot.ends_caveat), snapshot.delivery_doubt)
    return "; ".join(filter(None, (f"Alerts: {total}{more}" if total else "Alerts: none", *caveats)))


def _source(state: SourceState, now: float) -> tuple[str, ...]:
    age = f"{format_span(now - state.last_good_at)} ago" if state.last_good_at is not None and state.fault else ""
    latency = format_duration(state.latency_seconds) if state.latency_seconds is not None else age
    word = state.health.value if state.health in (Health.UP, Health.NOT_CONFIGURED) else state.health.value.upper()
    # A source that responds, but is degraded or partial, shows the reason.
    error = visible(state.fault.sentence() if state.fault else next(iter(state.warnings), ""))
    return (state.name, word, latency, " ".join(part for part in (state.detail, error) if part))


def _panel(state: PanelState) -> tuple[str, ...]:
    word = state.verdict.word
    if state.verdict is Verdict.STALE and state.age_seconds is not None:
        word += f" {format_span(state.age_seconds)}"
    note = state.note if state.verdict.known and state.note else state.reason
    value = format_figure(state.value, state.spec.unit, state.spec.decimals)
    return (word, state.spec.title, value, threshold_text(state), note, state.origin.value)


def threshold_text(state: PanelState) -> str:
    """`warn ≥1, critical ≥5`; empty where the panel has no thresholds."""
    thresholds = (("warn", state.threshold.warn), ("critical", state.threshold.critical))
    sign = "<" if state.spec.lower_is_worse else "≥"
    return ", ".join(f"{name} {sign}{format_brief(value)}" for name, value in thresholds if value is not None)


def _workload(found: WorkloadVerdict) -> tuple[str, ...]:
    item = found.workload
    revision = f"rev {item.revision}" if item.revision else "-"
    note = "paused" if item.paused else "" if found.verdict is Verdict.OK and item.serves else found.reason
    return (found.verdict.word, visible(item.target), _describe_pods(item), revision, note)


def _describe_pods(item: Workload) -> str:
    if item.batch is None:
        return f"{item.ready}/{item.desired} ready"
    return f"{item.batch.active} active" if item.kind == "CronJob" else f"{item.batch.succeeded}/{item.batch.completions} done"


def _not_visible(cluster: Cluster) -> str:
    sentence = describe_forbidden(cluster.faults)
    return f"  {sentence}" if sentence else ""
