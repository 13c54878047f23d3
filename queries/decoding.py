"""How JSON becomes the types that the clients keep: every type is made ready once, by one thread at a time."""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_lock = threading.Lock()
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def decoder(shape: type[T]) -> msgspec.json.Decoder[T]:
    """The decoder of this type, always the same one.

    msgspec resolves a type's fields, and those of every type in it, when it meets the type first. A second thread that
    meets one of them meanwhile reads what is only half written and takes the whole process down; six watches begin at once.
    """
    found: msgspec.json.Decoder[T] | None = _decoders.get(shape)
    if found is None:
        with _lock:
            found = _decoders.get(shape)
            if found is None:
                found = _decoders[shape] = msgspec.json.Decoder(shape)
    return found


def convert(value: object, shape: type[T], *, strict: bool = True) -> T:
    """What was decoded already, as this type. Raises msgspec.ValidationError."""
    decoder(shape)
    return msgspec.convert(value, shape, strict=strict)
