"""The signed shift handovers."""

from __future__ import annotations

from console.journal.event import Event
from console.journal.payloads import HandoverSigned, decode, event_kinds
from console.journal.projection import Projection
from queries.model.frozen import dataclass

_KEPT = 50


@dataclass(frozen=True, slots=True)
class HandoverSignature:
    """`name` is what the person signed with, `author` the account, `to` who takes over (may be empty)."""

    at: float
    author: str
    name: str
    to: str = ""
    remark: str = ""


class HandoversProjection(Projection[tuple[HandoverSignature, ...]]):
    """The newest signatures, oldest first."""

    kinds = event_kinds(HandoverSigned)

    def initial(self) -> tuple[HandoverSignature, ...]:
        return ()

    def apply(self, state: tuple[HandoverSignature, ...], event: Event) -> tuple[HandoverSignature, ...]:
        payload = decode(event)
        assert isinstance(payload, HandoverSigned)  # noqa: S101 - the only kind
        signature = HandoverSignature(
            event.at, event.author, payload.name or event.author, payload.to or "", payload.remark or ""
        )
        return (*state, signature)[-_KEPT:]
