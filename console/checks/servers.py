"""The servers around the platform: what Prometheus scrapes, the Alertmanagers' cluster, and everybody's clock."""

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
from queries.text.durations import format_span

_MOST_TOLD = 5
_OURS = re.compile(r"cad[-_]?ml|cad[-_]render|ocr|vision")


def targets(
    found: Sequence[Target], fault: Fault | None, *, namespace: str, jobs: Collection[str], strict: bool
) -> tuple[CheckResult, ...]:
    """Whether what is scraped answers. `jobs` are the ones whose series are the platform's; others that are down are noted."""
    if fault is not None:
        return (CheckResult("targets", "up", Result.FAILED, visible(fault.sentence()), METRICS),)
    if not found:
        told = "Prometheus tells of no scrape target: it is fed by others, or scrapes nothing"
        return (CheckResult("targets", "up", Result.FAILED if strict else Result.NOTED, told, METRICS),)
    ours = [item for item in found if _is_ours(item, namespace, jobs)]
    down = [item for item in ours if item.health == "down" or (strict and item.health != "up")]
    others = [item for item in found if item not in ours and item.health == "down"]
    results = [_targets("up", Result.FAILED, down, f"all {len(ours)} targets of the platform answer")]
    if others:
        results.append(_targets("others", Result.NOTED, others, ""))
    return tuple(results)


def alertmanager(peers: Sequence[PeerStatus]) -> tuple[CheckResult, ...]:
    """Whether every configured peer answers and their cluster is ready; alone, a disabled cluster is no fault."""
    if not peers:
        return (CheckResult("alertmanager", "cluster", Result.SKIPPED, "no Alertmanager is configured", FAILED_GENERALLY),)
    results = []
    for peer in peers:
        if peer.fault is not None:
            kind, told = Result.FAILED, peer.fault.sentence()
        elif peer.cluster == "ready":
            whole = peer.members >= len(peers)
            kind = Result.PASSED if whole else Result.FAILED
            told = f"ready, {peer.members} members"
            told += "" if whole else f", though {len(peers)} are configured: they do not see each other"
        elif peer.cluster == "disabled" and len(peers) == 1:
            kind, told = Result.PASSED, "answers; it is alone, without a cluster"
        else:
            kind, told = Result.FAILED, f"its cluster is {peer.cluster or 'of unknown state'}"
        results.append(CheckResult("alertmanager", visible(peer.where), kind, visible(told), FAILED_GENERALLY))
    return tuple(results)


def clocks(ahead: Iterable[tuple[str, float]]) -> tuple[CheckResult, ...]:
    """Whether the servers' clocks agree with this machine's: name and seconds ahead of it, for each that answered."""
    heard = list(ahead)
    if not heard:
        return (CheckResult("clock", "skew", Result.SKIPPED, "nobody answered, so no clock was told", FAILED_GENERALLY),)
    wrong = [(name, seconds) for name, seconds in heard if abs(seconds) >= NOTABLE_SECONDS]
    if not wrong:
        told = f"{len(heard)} clocks agree with this machine's to {NOTABLE_SECONDS:.0f} s"
        return (CheckResult("clock", "skew", Result.PASSED, told, FAILED_GENERALLY),)
    return tuple(
        CheckResult("clock", visible(name), Result.FAILED, f"{_apart(seconds)} this machine's", FAILED_GENERALLY)
        for name, seconds in wrong
    )


def _apart(seconds: float) -> str:
    return f"{format_span(abs(seconds))} {'ahead of' if seconds > 0 else 'behind'}"


def _is_ours(item: Target, namespace: str, jobs: Collection[str]) -> bool:
    return item.job in jobs or label(item.labels, "namespace") == namespace or _OURS.search(item.job) is not None


def _targets(name: str, kind: Result, down: Sequence[Target], well: str) -> CheckResult:
    if not down:
        return CheckResult("targets", name, Result.PASSED, well, METRICS)
    listed = [f"{item.job} {item.url} ({item.last_error or item.health})" for item in down[:_MOST_TOLD]]
    more = f" and {len(down) - _MOST_TOLD} more" if len(down) > _MOST_TOLD else ""
    return CheckResult("targets", name, kind, f"{len(down)} do not answer: {visible(', '.join(listed))}{more}", METRICS)
