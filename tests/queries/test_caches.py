"""What is kept from one answer to the next: equal bytes give one object, and an object that is in use is not derived again."""

from __future__ import annotations

import msgspec
import pytest

from queries.decode_cache import DecodeCache
from queries.model.identity_cache import IdentityCache


def raw(*texts: str) -> list[msgspec.Raw]:
    return [msgspec.Raw(text.encode()) for text in texts]


def test_equal_bytes_are_decoded_once() -> None:
    """Within an answer and from one to the next; what the last answer lacked is decoded again; the order is the answer's."""
    built: list[bytes] = []

    def build(item: msgspec.Raw) -> list[int]:
        built.append(bytes(item))
        return [len(built)]

    cache = DecodeCache(build)
    first = cache.read(raw("a", "b"))
    assert (first, built) == ([[1], [2]], [b"a", b"b"])
    second = cache.read(raw("b", "c", "a"))
    assert second == [[2], [3], [1]] and second[0] is first[1] and second[2] is first[0]
    cache.read(raw("c"))
    assert cache.read(raw("a", "c")) == [[4], [3]]


def test_an_answer_that_cannot_be_decoded_leaves_the_last_one() -> None:
    """What was decoded of it is not kept: the answer may have been cut anywhere."""
    built: list[bytes] = []

    def build(item: msgspec.Raw) -> bytes:
        built.append(bytes(item))
        if bytes(item) == b"bad":
            raise ValueError("bad")
        return bytes(item)

    cache = DecodeCache(build)
    cache.read(raw("a"))
    with pytest.raises(ValueError, match="bad"):
        cache.read(raw("new", "bad"))
    cache.read(raw("a", "new"))
    assert built == [b"a", b"new", b"bad", b"new"]


def test_three_objects_are_kept_by_identity() -> None:
    """An equal one is another one; the fourth takes the place of the oldest, and one that is kept by hand is not derived."""
    derived: list[list[int]] = []

    def derive(key: list[int]) -> int:
        derived.append(key)
        return len(derived)

    cache = IdentityCache(derive)
    keys = [[0], [0], [0], [0]]
    assert [cache(key) for key in keys[:3]] == [1, 2, 3] == [cache(key) for key in keys[:3]]
    assert cache(keys[3]) == 4
    assert [cache(key) for key in keys[1:]] == [2, 3, 4]
    assert cache(keys[0]) == 5
    other = [7]
    cache.keep(other, 99)
    assert cache(other) == 99 and len(derived) == 5
