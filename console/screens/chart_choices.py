"""A person's choices for charts, and the file in which they outlast the console."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from queries.model.chart import Drawing
from queries.model.frozen import dataclass

WINDOWS = (
    ("5m", 300.0), ("15m", 900.0), ("1h", 3600.0), ("6h", 6 * 3600.0), ("24h", 86400.0), ("7d", 7 * 86400.0),
    ("30d", 30 * 86400.0),
)  # fmt: skip
COMPARISONS = (("", 0.0), ("yesterday", 86400.0), ("last week", 7 * 86400.0))
"""The same time of an earlier day, with which the values can be compared."""
FILE = "charts.json"
_FROM_SIMPLE = (Drawing.ASCII, Drawing.BLOCKS, Drawing.BRAILLE)
"""A terminal that can show one of these can show those before it."""


@dataclass
class ChartChoices:
    """How the next chart opens. `seconds` is the time range, `back_seconds` the earlier time for comparison, 0 for none.

    `default` is the best drawing style that the terminal can show, `drawing` the one in use, and `chosen` the one that a person
    chose, perhaps on another terminal. With `heat` a chart is a heat map where there is one. `full` has the kinds of screens
    whose charts open full screen: chosen for panels, it must not hide the facts of an alert.
    """

    seconds: float = 3600.0
    back_seconds: float = 0.0
    default: Drawing = Drawing.BRAILLE
    drawing: Drawing = Drawing.BRAILLE
    chosen: Drawing | None = None
    heat: bool = False
    full: set[str] = field(default_factory=set)

    @classmethod
    def for_terminal(cls, default: Drawing) -> ChartChoices:
        return cls(default=default, drawing=default)

    def next_drawing(self, *, has_heat_map: bool = False) -> None:
        """The next drawing style: after the last of the lines the heat map, if there is one, then the terminal's own."""
        styles = list(Drawing)
        styles = styles[styles.index(self.default) :] + styles[: styles.index(self.default)]
        if has_heat_map and (self.heat or self.drawing is styles[-1]):
            # A panel without a heat map has the terminal's own style meanwhile.
            self.heat, self.drawing = not self.heat, self.default
        else:
            self.drawing = styles[(styles.index(self.drawing) + 1) % len(styles)]
        self.chosen = self.drawing

    def encode(self) -> str:
        """The choices as the text of their file."""
        import json  # noqa: PLC0415  # not before the first frame

        chosen = {"drawing": self.chosen.value} if self.chosen else {}
        kept = {
            "range_seconds": self.seconds,
            "compare_seconds": self.back_seconds,
            **chosen,
            "heat_map": self.heat,
            "full_screen": sorted(self.full),
        }
        return json.dumps(kept, indent=1) + "\n"

    def restore(self, text: str) -> None:
        """Take the choices of a file's text, except those that this version or this terminal does not have.

        Raises ValueError if the text is not a mapping in JSON.
        """
        import json  # noqa: PLC0415  # as above

        kept: Any = json.loads(text)
        if not isinstance(kept, dict):
            raise ValueError("expected a mapping")
        self.seconds = next((each for _, each in WINDOWS if each == kept.get("range_seconds")), self.seconds)
        self.back_seconds = next((each for _, each in COMPARISONS if each == kept.get("compare_seconds")), self.back_seconds)
        self.chosen = next((each for each in Drawing if each.value == kept.get("drawing")), None)
        if self.chosen and _FROM_SIMPLE.index(self.chosen) <= _FROM_SIMPLE.index(self.default):
            self.drawing = self.chosen
        self.heat = kept.get("heat_map") is True
        full = kept.get("full_screen")
        self.full = {each for each in full if isinstance(each, str)} if isinstance(full, list) else set()
