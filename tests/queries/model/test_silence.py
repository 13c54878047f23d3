"""Silences at an earlier moment, exactly when they begin and end."""

from __future__ import annotations

import pytest

from queries.model.matcher import Matcher
from queries.model.silence import KEPT_SECONDS, Silence, find_silences_at, known_since


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
