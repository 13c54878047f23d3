"""A past moment that the time machine shows, and why nothing can be changed meanwhile."""

from __future__ import annotations

from queries.model.frozen import dataclass

WHY_READ_ONLY = "what is shown is past; `:live` returns to now, where it can be changed"


@dataclass(frozen=True, slots=True)
class AsOf:
    """The past moment that a snapshot shows, and when the servers were asked about it; Unix seconds.

    `caveat` says what is not known of the alerts of then, in one sentence.
    """

    moment: float
    queried_at: float
    caveat: str = ""
