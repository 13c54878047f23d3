"""The logs of the simulated platform's pods, consistent with its state."""

from __future__ import annotations

from typing import Protocol

from console.demo.cluster.pod_logs import steps
from console.demo.scenarios import API, SLOW_DEPLOYMENT, SLOW_PROVIDER, WORKER
from queries.text.times import format_milliseconds

_EVERY_SECONDS = 5
_ERROR_SECONDS = 60.0
_ROUTINE = {"redis": "1 changes in 3600 seconds, background saving done", "log-agent": "batch sent, 0 lines dropped"}
"""What a healthy container of a companion writes; the platform's own say `served, 0 errors`."""


class PodLogProfile(Protocol):
    """The part of the simulator's state that appears in logs."""

    @property
    def error_share(self) -> float: ...

    @property
    def timeout_shares(self) -> dict[str, float]: ...

    @property
    def memory_shares(self) -> dict[str, float]: ...

    @property
    def backlog(self) -> float: ...


def log_lines(app: str, container: str, after: float, until: float, outcome: PodLogProfile) -> list[tuple[float, str]]:
    """What a container wrote after one time and up to another, oldest first; a current error started a minute ago."""
    times = [float(_EVERY_SECONDS * step) for step in steps(after, until, _EVERY_SECONDS)]
    if container != app:
        return [(at, f"{format_milliseconds(at)} INFO {container}: proxied, 0 errors") for at in times]
    error = _error_line(app, outcome)
    routine = _ROUTINE.get(app, "served, 0 errors")
    lines = []
    for at in times:
        failing = error and until - at < _ERROR_SECONDS and int(at // _EVERY_SECONDS) % 2 == 0
        lines.append((at, f"{format_milliseconds(at)} {error if failing else f'INFO {app}: {routine}'}"))
    return lines


def _error_line(app: str, outcome: PodLogProfile) -> str:
    if app == API and outcome.error_share > 0.01:
        return "ERROR cad-ml-api: INTERNAL_ERROR stage=infer: result schema v2 not understood (since 1.9.0)"
    if app == API and outcome.memory_shares.get(API, 0.0) > 0.8:
        return f"WARNING cad-ml-api: working set {100 * outcome.memory_shares[API]:.0f} % of the limit, shrinking feature cache"
    if app == SLOW_DEPLOYMENT and outcome.timeout_shares.get(SLOW_PROVIDER, 0.0) > 0.05:
        return f"ERROR ocr-provider-{SLOW_PROVIDER}: PROVIDER_TIMEOUT stage=infer: no answer in 8.0 s, connection pool is full"
    if app == WORKER and outcome.backlog > 100:
        return f"WARNING cad-render: all workers busy, {outcome.backlog:.0f} jobs wait"
    return ""
