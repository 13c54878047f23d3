"""The logs of the simulated platform's pods, consistent with its state."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from console.demo.scenarios import API, SLOW_DEPLOYMENT, SLOW_PROVIDER, WORKER

LINES = 60
_EVERY_SECONDS = 5.0


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


def log_lines(app: str, now: float, outcome: PodLogProfile) -> list[str]:
    """The last lines of a pod, oldest first; a current error started a minute ago."""
    usual = f"INFO {app}: served, 0 errors"
    error = _error_line(app, outcome)
    lines = []
    for number in range(LINES - 1, -1, -1):
        at = now - number * _EVERY_SECONDS
        failing = error and number < 12 and number % 2 == 0
        stamp = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        lines.append(f"{stamp} {error if failing else usual}")
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
