"""What to read a log of, whichever source it comes from."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from console.logs.line_fields import LineFilter

from queries.model.frozen import dataclass

ALL = "*"
"""Instead of a container's name: all containers of a pod."""


class LogOrigin(StrEnum):
    """Who has the lines: the pods themselves (their nodes), or Loki."""

    PODS = "pods"
    LOKI = "loki"


@dataclass(frozen=True, slots=True)
class LogQuery:
    """What to read: `target` is `pod/NAME`, a workload (`deployment/NAME`) or a bare name, with Loki also a query of its own
    (`{app="x"} |= "y"`); `container` a name, empty for the default one of each pod (all that Loki has), or ALL.
    `since_seconds` is None for the whole log, `tail_lines` for all its lines. `until` is the end, Unix seconds, None for now;
    only Loki can end earlier.
    """

    target: str
    container: str = ""
    previous: bool = False
    since_seconds: int | None = None
    tail_lines: int | None = None
    follow: bool = False
    origin: LogOrigin = LogOrigin.PODS
    until: float | None = None
    filters: tuple[LineFilter, ...] = ()
    """Only for Loki: what is added to its query."""
