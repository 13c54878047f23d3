"""What a server reports about a query besides its result: warnings, infos, and that the result is partial."""

from __future__ import annotations

from collections.abc import Iterable

from queries.model.frozen import dataclass
from queries.model.later import lazy_pattern

_INFO, _WARNING = "PromQL info: ", "PromQL warning: "
_POSITION = lazy_pattern(r"\((\d+):(\d+)\)$")
UNEXPLAINED = "the server marked its response isPartial: part of its storage did not respond"
"""VictoriaMetrics sets a flag and gives no reason."""


@dataclass(frozen=True, slots=True)
class Annotations:
    """`infos` are advice about the query; `warnings` say that its result may be wrong.

    `partial` is the server's message about what is missing from the result; empty if it is complete. Series missing
    from a partial result may exist.
    """

    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()
    partial: str = ""

    @classmethod
    def read(cls, warnings: Iterable[str], infos: Iterable[str], *, is_partial: bool = False) -> Annotations:
        """Sort the warnings and infos of a response.

        Thanos Query puts infos among the warnings. A warning that is not from the PromQL engine comes from its storage: a
        store, or a remote read, that did not respond.
        """
        listed = tuple(warnings)
        own = tuple(text for text in listed if not text.startswith(_INFO))
        below = next((text for text in own if not text.startswith(_WARNING)), "")
        advice = tuple(text for text in listed if text.startswith(_INFO))
        return cls(own, (*infos, *advice), below or (UNEXPLAINED if is_partial else ""))

    @property
    def caveat(self) -> str:
        """`IN DOUBT: partial: …`, for a note beside the result; empty if it is complete."""
        return f"IN DOUBT: partial: {self.partial}" if self.partial else ""

    @property
    def about_query(self) -> tuple[str, ...]:
        """The warnings of the PromQL engine, which contain a position in the query, then the infos."""
        return (*(text for text in self.warnings if text.startswith(_WARNING)), *self.infos)


NO_ANNOTATIONS = Annotations()


def is_warning(text: str) -> bool:
    """Whether an annotation warns that the query's result may be wrong."""
    return text.startswith(_WARNING)


def line_of(text: str) -> int | None:
    """The line of the query in an annotation's position, from 1; None without a position."""
    found = _POSITION.search(text)
    return int(found[1]) if found else None


def without_position(text: str) -> str:
    """The annotation without its position, which refers to the joined request of several expressions."""
    return _POSITION.sub("", text).rstrip()
