"""Owner marks: set, taken away, and ended with the alert."""

from __future__ import annotations

from console.journal.event import Event
from console.journal.owners import OWNED, RELEASED, Mark, Owners, resolved

FOLD = Owners()


def owned(fingerprint: str, author: str, at: float) -> Event:
    return Event(at, OWNED, fingerprint, author)


def test_the_last_word_counts() -> None:
    """Own, own by another, release: what remains is what was said last, and the state before stays what it was."""
    first = FOLD.fold(FOLD.initial(), (owned("a", "ann", 1.0), owned("a", "bob", 2.0), owned("b", "ann", 3.0)))
    then = FOLD.apply(first, Event(4.0, RELEASED, "b", "ann"))
    assert dict(then) == {"a": Mark("bob", 2.0)}
    assert dict(first) == {"a": Mark("bob", 2.0), "b": Mark("ann", 3.0)}


def test_a_mark_ends_when_the_alert_resolves() -> None:
    """Of the owned alerts those that are gone from the answer are named, but no mark that is younger than the answer."""
    marks = FOLD.fold(FOLD.initial(), (owned("gone", "ann", 1.0), owned("there", "ann", 1.0), owned("young", "ann", 9.0)))
    assert resolved(marks, {"there"}, taken_at=5.0) == ("gone",)


def test_a_mark_of_an_alert_that_only_prometheus_knows_stays() -> None:
    """A fingerprint with a colon is not Alertmanager's: that it is not in the answer says nothing."""
    assert resolved(FOLD.apply(FOLD.initial(), owned("rule:x", "ann", 1.0)), (), taken_at=5.0) == ()
