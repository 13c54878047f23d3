"""What the evidence says to one item of a checklist."""

from __future__ import annotations

from dataclasses import dataclass

from console.checklists.definition import Item
from queries.model.alert import Suggestion
from queries.model.series import Point
from queries.model.verdict import UNKNOWN, Verdict


@dataclass(frozen=True, slots=True)
class NavigationTarget:
    """Where one can go and look: `panel`, `alert`, `runbook`, `explore`, `screen` or `action`, by its key."""

    kind: str
    subject: str
    words: str
    about: str = ""
    """For a runbook or an action, the fingerprint of the alert."""
    action: Suggestion | None = None


@dataclass(frozen=True, slots=True)
class Detail:
    """One line under the value; `verdict` is None where it only tells."""

    text: str
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class ItemResult:
    """`verdict` is None for a question that only a person can answer. `told` is the value in words, `limit` what it is held
    against, `reason` why the verdict is what it is, in one sentence. `before` is the value at the same time yesterday (or why
    it is not known), empty where there is no such thing. `trend` has its threshold `lines` and covers `trend_words`.
    """

    item: Item
    verdict: Verdict | None
    told: str
    reason: str
    value: float | None = None
    limit: str = ""
    details: tuple[Detail, ...] = ()
    before: str = ""
    trend: tuple[Point, ...] = ()
    trend_words: str = ""
    lines: tuple[float, ...] = ()
    below: bool = False
    places: tuple[NavigationTarget, ...] = ()

    @property
    def word(self) -> str:
        """`ok`, `WARN`, `CRIT`, `NO DATA`, `IN DOUBT`, `STALE`, or `ASK` for a question."""
        return self.verdict.word if self.verdict is not None else "ASK"


OPEN = (Verdict.WARN, Verdict.CRITICAL)


def exit_code(findings: tuple[ItemResult, ...]) -> int:
    """0 where everything is ok, 1 where something is critical or warns, 2 where something could not be judged.

    What is known to be wrong comes first. A warning is a target that was missed, and so not 0; a question to a person does
    not fail by itself.
    """
    if any(item.verdict in OPEN for item in findings):
        return 1
    return 2 if any(item.verdict in UNKNOWN for item in findings) else 0
