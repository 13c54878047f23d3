"""How the series of a panel become its one value."""

from __future__ import annotations

import math
from collections.abc import Iterable

from queries.model.panel import Aggregation


def folded(fold: Aggregation, values: Iterable[float]) -> float | None:
    """The one value, None where there is none; NaN means 'no data' of one series and is left out."""
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return None
    if fold is Aggregation.SUM:
        return sum(known)
    return min(known) if fold is Aggregation.MIN else max(known)
