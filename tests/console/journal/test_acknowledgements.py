"""Owner marks: set, taken away, and ended with the alert."""

from __future__ import annotations

from itertools import permutations
from typing import Any

from console.journal import process
from console.journal.acknowledgements import Acknowledgement, Acknowledgements, Ownership, find_resolved, ownership_of
from console.journal.event import Event

FOLD = Acknowledgements()


def owned(fingerprint: str, author: str, at: float) -> Event:
    return Event(at, "alert.owned", fingerprint, author)


def test_the_last_word_counts() -> None:
    """Own, own by another, release: what remains is what was said last, and the state before stays what it was."""
    first = FOLD.fold(FOLD.initial(), (owned("a", "ann", 1.0), owned("a", "bob", 2.0), owned("b", "ann", 3.0)))
    then = FOLD.apply(first, Event(4.0, "alert.released", "b", "ann"))
    assert dict(then) == {"a": Acknowledgement("bob", 2.0)}
    assert dict(first) == {"a": Acknowledgement("bob", 2.0), "b": Acknowledgement("ann", 3.0)}


def test_a_mark_ends_when_the_alert_resolves() -> None:
    """Of the owned alerts those that are gone from the answer are named, but no mark that is younger than the answer."""
    marks = FOLD.fold(FOLD.initial(), (owned("gone", "ann", 1.0), owned("there", "ann", 1.0), owned("young", "ann", 9.0)))
    assert find_resolved(marks, {"there"}, taken_at=5.0) == ("gone",)


def test_a_mark_of_an_alert_that_only_prometheus_knows_stays() -> None:
    """A fingerprint with a colon is not Alertmanager's: that it is not in the answer says nothing."""
    assert find_resolved(FOLD.apply(FOLD.initial(), owned("rule:x", "ann", 1.0)), (), taken_at=5.0) == ()


def written(kind: str, author: str, order: int, **data: Any) -> Event:
    return Event(float(order), kind, "a", author, "prod", data, 0, f"{author}{order}", order)


def test_the_first_of_two_at_the_same_moment_has_it() -> None:
    """Both saw that nobody had it: in the order of all consoles the first has it, in whatever order they arrive."""
    both = (written("alert.owned", "ann", 1, over=""), written("alert.owned", "bob", 2, over=""))
    for told in permutations(both):
        assert FOLD.fold(FOLD.initial(), sorted(told, key=lambda event: event.order))["a"].author == "ann"


def test_only_who_names_the_present_mark_takes_over() -> None:
    """Bob takes over what ann has; cyd, who saw ann's mark too, comes too late; so does ann's release of her own mark."""
    told = [
        written("alert.owned", "ann", 1, over=""),
        written("alert.owned", "bob", 2, over="ann1"),
        written("alert.owned", "cyd", 3, over="ann1"),
    ]
    told.append(written("alert.released", "ann", 4, of="ann1"))
    assert FOLD.fold(FOLD.initial(), told)["a"].author == "bob"
    assert FOLD.fold(FOLD.initial(), [*told, written("alert.released", "bob", 5, of="bob2")]) == {}
    assert FOLD.fold(FOLD.initial(), [*told, written("alert.released", "any", 5, why="resolved")]) == {}


def test_an_account_is_no_person() -> None:
    """Another living console of the same account is asked about; one on this machine that ended is not, nor an older one's."""
    me = process.current()
    elsewhere = process.Process("other-host", me.boot, me.pid, me.started).text()
    ended = process.Process(me.host, me.boot, me.pid, "1").text()
    assert ownership_of(None, user="root@bastion") is Ownership.NOBODY
    for console, found in (
        ("", Ownership.OURS),
        (me.text(), Ownership.OURS),
        (ended, Ownership.OURS),
        (elsewhere, Ownership.SAME_ACCOUNT),
    ):
        assert ownership_of(Acknowledgement("root@bastion", 1.0, "x", console), user="root@bastion") is found, console
    assert ownership_of(Acknowledgement("ann@bastion", 1.0, "x", me.text()), user="root@bastion") is Ownership.ANOTHER
