"""Silences at an earlier moment, exactly when they begin and end."""

from __future__ import annotations

import pytest

from queries.model.matcher import Matcher
from queries.model.silence import (
    KEPT_SECONDS,
    ExistingSilence,
    Silence,
    decode_matcher,
    encode_matcher,
    find_silences_at,
    known_since,
)


def silence(name: str, starts_at: float, ends_at: float, updated_at: float = 0.0) -> Silence:
    return Silence(name, (Matcher("a", "b"),), starts_at, ends_at, "ann", "why", updated_at=updated_at)


@pytest.mark.parametrize(
    ("at", "state"), [(99.9, ""), (100.0, "active"), (199.9, "active"), (200.0, "expired"), (900.0, "expired")]
)
def test_a_silence_at_a_moment(at: float, state: str) -> None:
    """It is active from its first second on, and has ended in its last; before that it is not known to have existed."""
    assert [item.state for item in find_silences_at([silence("s", 100.0, 200.0)], at)] == ([state] if state else [])


@pytest.mark.parametrize(("updated", "state"), [(0.0, ""), (50.0, "pending"), (50.1, "")])
def test_one_that_had_not_begun(updated: float, state: str) -> None:
    """It existed for certain if nobody changed it since."""
    assert [item.state for item in find_silences_at([silence("s", 100.0, 200.0, updated)], 50.0)] == ([state] if state else [])


def test_every_silence_has_its_own_state() -> None:
    """Of several, each by its own times."""
    given = [silence("a", 0.0, 50.0), silence("b", 0.0, 150.0), silence("c", 120.0, 150.0, 100.0)]
    assert [(item.id, item.state) for item in find_silences_at(given, 100.0)] == [
        ("a", "expired"),
        ("b", "active"),
        ("c", "pending"),
    ]


def test_since_when_all_of_them_are_known() -> None:
    """As long as Alertmanager keeps them, or longer where an older one is still listed; one that ends now has ended."""
    now = 1_000_000.0
    assert known_since([], now=now) == known_since([silence("a", 0.0, now + 1)], now=now) == now - KEPT_SECONDS
    assert known_since([silence("a", 0.0, now)], now=now) == now - KEPT_SECONDS
    assert known_since([silence("a", 0.0, 99.0), silence("b", 0.0, 98.0)], now=now) == 98.0
    assert known_since([silence("a", 0.0, 99.0)], now=99.0) == 99.0 - KEPT_SECONDS


def test_a_stored_silence_goes_back_as_it_came() -> None:
    """Every field is read; a POST that changes nothing has all but those that only the server sets, and both matchers."""
    raw = {
        "id": "s1",
        "status": {"state": "pending"},
        "matchers": [
            {"name": "a", "value": "b.", "isRegex": True, "isEqual": False},
            {"name": "c", "value": "d", "isRegex": False},
        ],
        "startsAt": "2026-01-01T09:00:00Z",
        "endsAt": "2026-01-01T10:00:00Z",
        "createdBy": "ann",
        "comment": "why",
        "annotations": {"ticket": "7"},
        "updatedAt": "2026-01-01T08:00:00Z",
    }
    found = ExistingSilence.decode(raw)
    assert (found.id, found.state, found.starts_at, found.ends_at, found.created_by, found.comment) == (
        "s1", "pending", "2026-01-01T09:00:00Z", "2026-01-01T10:00:00Z", "ann", "why"
    )  # fmt: skip
    assert found.matchers == (Matcher("a", "b.", is_regex=True, is_equal=False), Matcher("c", "d"))
    assert found.annotations == {"ticket": "7"}
    assert found.postable == {name: value for name, value in raw.items() if name not in ("status", "updatedAt")}
    assert [decode_matcher(encode_matcher(item)) for item in found.matchers] == list(found.matchers)
    assert encode_matcher(found.matchers[0]) == raw["matchers"][0]


def test_a_stored_silence_without_its_fields() -> None:
    """An old server sends less: active, without annotations, empty where nothing was."""
    found = ExistingSilence.decode({"status": None, "matchers": None, "annotations": None})
    assert (found.id, found.state, found.matchers, found.annotations) == ("", "active", (), {})
    assert (found.starts_at, found.ends_at, found.created_by, found.comment) == ("", "", "", "")
