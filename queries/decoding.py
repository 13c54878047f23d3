"""JSON decoded into the clients' types: each decoder is built once, by one thread at a time."""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

from queries.errors import InvalidResponse

T = TypeVar("T")

_lock = threading.Lock()
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def decoder(shape: type[T]) -> msgspec.json.Decoder[T]:
    """The one decoder of this type.

    msgspec resolves a type's fields, also nested ones, at first use. A second thread that uses one of them meanwhile reads
    half-written state and crashes the process; six watches start at once.
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
    """Decode JSON. Raises InvalidResponse: it is truncated, nested too deeply, not JSON, or of another shape."""
    ready = shape if isinstance(shape, msgspec.json.Decoder) else decoder(shape)
    try:
        return ready.decode(content)
    except RecursionError:
        raise InvalidResponse("the answer is nested too deeply", where=where, hint=hint) from None
    except msgspec.ValidationError as error:
        raise InvalidResponse(f"the response is not in {whose} format: {error}", where=where, hint=hint) from None
    except msgspec.DecodeError as error:
        if "truncated" in str(error):
            raise InvalidResponse("the answer was cut off", where=where, hint="the server or a proxy truncated it") from None
        raise InvalidResponse(f"the answer is not JSON: {error}", where=where, hint=hint) from None
    except (UnicodeDecodeError, ValueError):
        raise InvalidResponse("the answer is not JSON", where=where, hint=hint) from None


def convert(value: object, shape: type[T], *, strict: bool = True) -> T:
    """Convert decoded values to this type. Raises msgspec.ValidationError."""
    decoder(shape)
    return msgspec.convert(value, shape, strict=strict)
