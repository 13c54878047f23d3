"""One measured figure, with the goal it is held against."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """`goal` is the largest good value; None where the figure only explains another or is a peer's."""

    figure: str
    value: float
    unit: str
    goal: float | None = None
    note: str = ""
    control: bool = False
    """The same whatever tree is measured: it tells how quiet the machine is."""

    @property
    def met(self) -> bool | None:
        return None if self.goal is None else self.value <= self.goal

    def row(self) -> dict[str, object]:
        return {
            "figure": self.figure,
            "value": round(self.value, 4),
            "unit": self.unit,
            "goal": self.goal,
            "met": self.met,
            "control": self.control,
        }


def percentile(values: list[float], share: float) -> float:
    """The smallest value that `share` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
