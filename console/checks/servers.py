"""The servers around the platform: scrape targets, the Alertmanager cluster, and every server's clock."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from console.checks.result import FAILED_GENERALLY, METRICS, CheckResult, Result
from queries.alertmanager import PeerStatus
from queries.http.clock_skew import NOTABLE_SECONDS
from queries.model.fault import Fault
from queries.model.series import label
from queries.model.text import visible
from queries.prometheus.metadata import Target
from queries.text.durations import format_duration, format_span

_MAX_LISTED = 5
_OURS = re.compile(r"cad[-_]?ml|cad[-_]render|ocr|vision")


def check_scrape_targets(
    found: Sequence[Target],
    fault: Fault | None,
    *,
    namespace: str,
    jobs: Collection[str],
    strict: bool,
    jobs_error: str = "",
) -> tuple[CheckResult, ...]:
    """Whether the scrape targets are up. `jobs` are those of the platform, `jobs_error` says why they could not be read; other
    targets that are down are noted.
    """
    if fault is not None:
        return (CheckResult("targets", "up", Result.FAILED, visible(fault.sentence()), METRICS),)
    if not found:
        text = "Prometheus lists no scrape targets: it receives remote writes, or scrapes nothing"
        return (CheckResult("targets", "up", Result.FAILED if strict else Result.NOTED, text, METRICS),)
    ours = [item for item in found if _is_ours(item, namespace, jobs)]
    down = [item for item in ours if item.health == "down" or (strict and item.health != "up")]
    others = [item for item in found if item not in ours and item.health == "down"]
    if ours:
        results = [_report_targets("up", Result.FAILED, down, f"all {len(ours)} targets of the platform are up")]
    else:
        why = f"; its jobs could not be read: {jobs_error}" if jobs_error else ""
        text = f"none of the {len(found)} scrape targets is known to be the platform's{why}"
        results = [CheckResult("targets", "up", Result.FAILED if strict else Result.NOTED, visible(text), METRICS)]
    if others:
        results.append(_report_targets("others", Result.NOTED, others, ""))
    return tuple(results)


def check_alertmanager(peers: Sequence[PeerStatus]) -> tuple[CheckResult, ...]:
    """Whether every configured peer responds and their cluster is ready; a single peer needs no cluster."""
    if not peers:
        return (CheckResult("alertmanager", "cluster", Result.SKIPPED, "no Alertmanager is configured", FAILED_GENERALLY),)
    results = []
    for peer in peers:
        if peer.fault is not None:
            kind, text = Result.FAILED, peer.fault.sentence()
        elif peer.cluster == "ready":
            complete = peer.members >= len(peers)
            kind = Result.PASSED if complete else Result.FAILED
            text = f"ready, {peer.members} members"
            text += "" if complete else f", but {len(peers)} are configured: they do not see each other"
        elif peer.cluster == "disabled" and len(peers) == 1:
            kind, text = Result.PASSED, "responds; a single peer without a cluster"
        else:
            kind, text = Result.FAILED, f"its cluster is {peer.cluster or 'of unknown state'}"
        results.append(CheckResult("alertmanager", visible(peer.where), kind, visible(text), FAILED_GENERALLY))
    return tuple(results)


def check_clocks(ahead: Iterable[tuple[str, float]]) -> tuple[CheckResult, ...]:
    """Whether the servers' clocks agree with this machine's: name and seconds ahead of it, for each that responded."""
    offsets = list(ahead)
    if not offsets:
        return (
            CheckResult(
                "clock", "skew", Result.SKIPPED, "no server responded, so no clock could be compared", FAILED_GENERALLY
            ),
        )
    wrong = [(name, seconds) for name, seconds in offsets if abs(seconds) >= NOTABLE_SECONDS]
    if not wrong:
        text = f"{len(offsets)} clocks agree with this machine's to {format_duration(NOTABLE_SECONDS)}"
        return (CheckResult("clock", "skew", Result.PASSED, text, FAILED_GENERALLY),)
    return tuple(
        CheckResult("clock", visible(name), Result.FAILED, f"{_describe_offset(seconds)} this machine's", FAILED_GENERALLY)
        for name, seconds in wrong
    )


def _describe_offset(seconds: float) -> str:
    return f"{format_span(abs(seconds))} {'ahead of' if seconds > 0 else 'behind'}"


def _is_ours(item: Target, namespace: str, jobs: Collection[str]) -> bool:
    return item.job in jobs or label(item.labels, "namespace") == namespace or _OURS.search(item.job) is not None


def _report_targets(name: str, kind: Result, down: Sequence[Target], passed: str) -> CheckResult:
    if not down:
        return CheckResult("targets", name, Result.PASSED, passed, METRICS)
    listed = [f"{item.job} {item.url} ({item.last_error or item.health})" for item in down[:_MAX_LISTED]]
    more = f" and {len(down) - _MAX_LISTED} more" if len(down) > _MAX_LISTED else ""
    return CheckResult("targets", name, kind, f"{len(down)} are down: {visible(', '.join(listed))}{more}", METRICS)
