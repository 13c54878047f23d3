"""What the evidence says about one checklist item."""

from __future__ import annotations

from console.checklists.definition import Item
from queries.model.alert import Suggestion
from queries.model.frozen import dataclass
from queries.model.series import Point
from queries.model.verdict import UNKNOWN, Verdict


@dataclass(frozen=True, slots=True)
class NavigationTarget:
    """Where to navigate for details: `panel`, `alert`, `runbook`, `explore`, `screen` or `action`, by key."""

    kind: str
    subject: str
    label: str
    about: str = ""
    """For a runbook or an action, the alert's fingerprint."""
    action: Suggestion | None = None


@dataclass(frozen=True, slots=True)
class Detail:
    """One line under the value; `verdict` is None where the line only informs."""

    text: str
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class ItemResult:
    """`verdict` is None for a question that only a person can answer. `value_text` is the value as text, `limit` the target,
    `reason` the reason for the verdict in one sentence. `before` is the value at the same time yesterday (or why it is not
    known), empty where there is none. `trend` covers `trend_period` and is drawn with `thresholds`.
    """

    item: Item
    verdict: Verdict | None
    value_text: str
    reason: str
    value: float | None = None
    limit: str = ""
    details: tuple[Detail, ...] = ()
    before: str = ""
    trend: tuple[Point, ...] = ()
    trend_period: str = ""
    trend_window: tuple[float, float] = (0.0, 0.0)
    """Start and end of the trend's time axis, Unix seconds; equal if its points are its ends."""
    thresholds: tuple[float, ...] = ()
    below: bool = False
    targets: tuple[NavigationTarget, ...] = ()

    @property
    def label(self) -> str:
        """`ok`, `WARN`, `CRIT`, `NO DATA`, `IN DOUBT`, `STALE`, or `ASK` for a question."""
        return self.verdict.word if self.verdict is not None else "ASK"


OPEN = (Verdict.WARN, Verdict.CRITICAL)


def exit_code(results: tuple[ItemResult, ...]) -> int:
    """0 where everything is ok, 1 for a warning or critical, 2 where an item could not be evaluated.

    A known problem takes precedence. A warning is a missed target and so not 0; a question for a person does not fail.
    """
    if any(item.verdict in OPEN for item in results):
        return 1
    return 2 if any(item.verdict in UNKNOWN for item in results) else 0
