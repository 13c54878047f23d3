"""The handovers that were signed, folded from the journal."""

from __future__ import annotations

from dataclasses import dataclass

from console.journal.event import Event
from console.journal.projection import Projection
from console.state.checklist_runs import text_in

SIGNED = "handover.signed"
_KEPT = 50


@dataclass(frozen=True, slots=True)
class HandoverSigned:
    """`name` is what the person signed with, `author` the account, `to` who takes over (empty where nobody was named)."""

    at: float
    author: str
    name: str
    to: str = ""
    remark: str = ""


class HandoversProjection(Projection[tuple[HandoverSigned, ...]]):
    """The newest signatures in their order."""

    kinds = (SIGNED,)

    def initial(self) -> tuple[HandoverSigned, ...]:
        return ()

    def apply(self, state: tuple[HandoverSigned, ...], event: Event) -> tuple[HandoverSigned, ...]:
        data = event.data
        name = text_in(data, "name") or event.author
        signed = HandoverSigned(event.at, event.author, name, text_in(data, "to"), text_in(data, "remark"))
        return (*state, signed)[-_KEPT:]
