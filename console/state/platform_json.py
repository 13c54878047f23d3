"""What the platform says of itself, as `status` and `doctor` print it."""

from __future__ import annotations

from typing import Any

from console.checks.platform_lines import PlatformVerdict
from queries.model.platform import PlatformHealth


def platform_rows(verdict: PlatformVerdict) -> list[tuple[str, ...]]:
    """A row for each line: verdict, what it is about, its name, and what the platform says."""
    rows: list[tuple[str, ...]] = [(verdict.verdict.word, "as a whole", "", verdict.reason)]
    return [
        *rows,
        *((line.verdict.word if line.verdict else "-", line.section, line.name, line.text) for line in verdict.lines),
    ]


def platform_document(found: PlatformHealth | None, verdict: PlatformVerdict | None) -> dict[str, Any] | None:
    """The same for JSON, with the platform's own words; None where it never answered."""
    if found is None or verdict is None:
        return None
    readiness, vectors = found.readiness, found.vectors
    return {
        "verdict": verdict.verdict.value,
        "reason": verdict.reason,
        "ready": readiness.ready if readiness else None,
        "checks": [
            {"name": item.name, "status": item.status, "detail": item.detail, "degraded": item.degraded}
            for item in (readiness.checks if readiness else ())
        ],
        "status": found.status,
        "degraded_reasons": list(found.degraded_reasons),
        "services": dict(found.services),
        "resilience": found.resilience or None,
        "breakers": [
            {"name": item.name, "state": item.state, "failures": item.failures, "threshold": item.threshold}
            for item in found.breakers
        ],
        "models": dict(found.models),
        "providers": [{"name": item.name, "ready": item.ready, "error": item.error or None} for item in found.providers],
        "error_rates": dict(found.error_rates),
        "vectors": {"total": vectors.total, "versions": dict(vectors.versions)} if vectors else None,
        "faiss": dict(vectors.faiss) if vectors else None,
        "unread": [{"path": path, "error": why or None, "absent": not why} for path, why in found.unread],
    }
