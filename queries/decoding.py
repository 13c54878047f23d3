"""How JSON becomes the types that the clients keep: every type is made ready once, by one thread at a time."""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

from queries.errors import InvalidResponse

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


def decode_json(
    shape: type[T] | msgspec.json.Decoder[T],
    content: bytes | str | msgspec.Raw,
    *,
    where: str = "",
    whose: str = "this API's",
    hint: str = "check that the URL is this server's",
) -> T:
    """The JSON text as this type. Raises Malformed: it is cut off, nested too deeply, no JSON, or of another shape."""
    made = shape if isinstance(shape, msgspec.json.Decoder) else decoder(shape)
    try:
        return made.decode(content)
    except RecursionError:
        raise InvalidResponse("the answer is nested too deeply", where=where, hint=hint) from None
    except msgspec.ValidationError as error:
        raise InvalidResponse(f"the answer has another shape than {whose}: {error}", where=where, hint=hint) from None
    except msgspec.DecodeError as error:
        if "truncated" in str(error):
            raise InvalidResponse("the answer was cut off", where=where, hint="the server or a proxy broke it") from None
        raise InvalidResponse(f"the answer is not JSON: {error}", where=where, hint=hint) from None
    except (UnicodeDecodeError, ValueError):
        raise InvalidResponse("the answer is not JSON", where=where, hint=hint) from None


def convert(value: object, shape: type[T], *, strict: bool = True) -> T:
    """What was decoded already, as this type. Raises msgspec.ValidationError."""
    decoder(shape)
    return msgspec.convert(value, shape, strict=strict)
