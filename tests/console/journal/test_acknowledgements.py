"""Owner marks: set, taken away, and ended with the alert."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Any

import pytest

from console.journal import process
from console.journal.acknowledgements import (
    Acknowledgement,
    Acknowledgements,
    AcknowledgeResult,
    Ownership,
    find_resolved,
    held_sentence,
    list_recipients,
    outcome_sentence,
    ownership_of,
)
from console.journal.event import Event
from console.journal.presence import Presence, PresentConsole
from queries.model.alert import AlertState

FOLD = Acknowledgements()


def owned(fingerprint: str, author: str, at: float) -> Event:
    return Event(at, "alert.owned", fingerprint, author)


def arrivals(marks: Mapping[str, Acknowledgement]) -> dict[str, float]:
    """Each arrived when it was written."""
    return {fingerprint: mark.at for fingerprint, mark in marks.items()}


def test_the_last_word_counts() -> None:
    """Own, own by another, release: what remains is what was said last, and the state before stays what it was."""
    first = FOLD.fold(FOLD.initial(), (owned("a", "ann", 1.0), owned("a", "bob", 2.0), owned("b", "ann", 3.0)))
    then = FOLD.apply(first, Event(4.0, "alert.released", "b", "ann"))
    assert dict(then) == {"a": Acknowledgement("bob", 2.0)}
    assert dict(first) == {"a": Acknowledgement("bob", 2.0), "b": Acknowledgement("ann", 3.0)}


def test_a_mark_ends_when_the_alert_resolves() -> None:
    """Of the owned alerts those that are gone from the answer are named, but no mark that is younger than the answer."""
    marks = FOLD.fold(FOLD.initial(), (owned("gone", "ann", 1.0), owned("there", "ann", 1.0), owned("young", "ann", 9.0)))
    assert find_resolved(marks, {"there"}, taken_at=5.0, arrived=arrivals(marks)) == ("gone",)


def test_a_mark_of_an_alert_that_only_prometheus_knows_stays() -> None:
    """A fingerprint with a colon is not Alertmanager's: that it is not in the answer says nothing."""
    marks = FOLD.apply(FOLD.initial(), owned("rule:x", "ann", 1.0))
    assert find_resolved(marks, (), taken_at=5.0, arrived=arrivals(marks)) == ()


def test_a_slow_clock_does_not_end_a_new_mark() -> None:
    """Its time says that it is older than the answer, but it arrived after it: only a later answer ends it."""
    marks = FOLD.apply(FOLD.initial(), owned("a", "bob", 1.0))
    for arrived, ended in (({"a": 4.9}, ("a",)), ({"a": 5.0}, ()), ({"a": 6.0}, ()), ({}, ())):
        assert find_resolved(marks, (), taken_at=5.0, arrived=arrived) == ended


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
    late = written("alert.released", "any", 5, why="resolved", of="ann1")
    assert FOLD.fold(FOLD.initial(), [*told, late])["a"].author == "bob"


def test_the_name_is_what_is_known_of_an_alert_that_is_gone() -> None:
    """Whether it has ended is judged by its name; an event without one leaves it unknown, as does one of an older release."""
    told = (written("alert.owned", "ann", 1, over="", name="CoreDown"), written("alert.owned", "bob", 2, over="ann1"))
    assert FOLD.fold(FOLD.initial(), told[:1])["a"].labels == (("alertname", "CoreDown"),)
    assert FOLD.fold(FOLD.initial(), told)["a"].labels == ()


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


@pytest.mark.parametrize(("at", "ended"), [(4.999, True), (5.0, False), (5.001, False)])
def test_an_answer_says_nothing_of_a_mark_of_its_own_moment(at: float, ended: bool) -> None:
    """Only what was marked before the answer was taken can be missing from it; two that are gone are both named."""
    marks = FOLD.fold(FOLD.initial(), (owned("a", "ann", at), owned("b", "bob", at), owned("c", "bob", at)))
    assert find_resolved(marks, {"c"}, taken_at=5.0, arrived=arrivals(marks)) == (("a", "b") if ended else ())


@pytest.mark.parametrize(("count", "kept"), [(1999, 1999), (2000, 2000), (2001, 2000)])
def test_two_thousand_marks_are_kept(count: int, kept: int) -> None:
    """The newest: one that is marked again counts as new."""
    events = [owned(f"f{number}", "ann", float(number)) for number in range(count)]
    marks = FOLD.fold(FOLD.initial(), [*events[:-1], owned("f0", "ann", 1e6), events[-1]])
    assert len(marks) == kept and "f0" in marks and ("f1" in marks) is (count <= 2000)
    assert list(marks)[-2:] == ["f0", f"f{count - 1}"]


@pytest.mark.parametrize(
    ("held", "known", "recipients"),
    [
        (None, True, [("ann", "c1", "to", "Alerts"), ("bob", "c2", "to", "Overview")]),
        (Acknowledgement("me", 1.0, "x", "m"), True, [("ann", "c1", "to", "Alerts"), ("bob", "c2", "to", "Overview")]),
        (Acknowledgement("me", 1.0, "x", "m", before="ann", before_console="c1"), True,
         [("ann", "c1", "back to", "Alerts"), ("bob", "c2", "to", "Overview")]),
        (Acknowledgement("me", 1.0, "x", "m", before="eve", before_console="c9"), True,
         [("eve", "c9", "back to", "not on"), ("ann", "c1", "to", "Alerts"), ("bob", "c2", "to", "Overview")]),
        (Acknowledgement("me", 1.0, "x", "m", before="eve", before_console="c9"), False,
         [("eve", "c9", "back to", ""), ("ann", "c1", "to", "Alerts"), ("bob", "c2", "to", "Overview")]),
        (Acknowledgement("me", 1.0, "x", "m", before="me", before_console="m0"), True,
         [("me", "m0", "back to", ""), ("ann", "c1", "to", "Alerts"), ("bob", "c2", "to", "Overview")]),
        (Acknowledgement("me", 1.0, "x", "m", before="me", before_console="m"), True,
         [("ann", "c1", "to", "Alerts"), ("bob", "c2", "to", "Overview")]),
    ],
)  # fmt: skip
def test_an_alert_goes_back_or_to_whoever_is_on(
    held: Acknowledgement | None, known: bool, recipients: list[tuple[str, str, str, str]]
) -> None:
    """First who had it before, with where they are if that is known; nobody stands there twice."""
    presence = Presence((PresentConsole("c1", "ann", "Alerts"), PresentConsole("c2", "bob", "Overview")), known=known)
    found = list_recipients(held, presence, user="me")
    assert [(item.user, item.console, item.label, item.place) for item in found] == recipients


@pytest.mark.parametrize(
    ("present", "ownership", "sentence"),
    [
        (Acknowledgement("ann", 1.0), Ownership.ANOTHER, "ann acknowledged it 2m ago"),
        (Acknowledgement("ann", 1.0, before="ann"), Ownership.ANOTHER, "ann acknowledged it 2m ago"),
        (Acknowledgement("ann", 1.0, before="bob"), Ownership.ANOTHER, "ann took it over 2m ago"),
        (Acknowledgement("ann", 1.0, by="bob", before="bob"), Ownership.ANOTHER, "bob handed it to ann 2m ago"),
        (Acknowledgement("ann", 1.0, before="bob"), Ownership.SAME_ACCOUNT,
         "ann took it over 2m ago from another console of this account"),
    ],
)  # fmt: skip
def test_how_somebody_came_to_hold_an_alert(present: Acknowledgement, ownership: Ownership, sentence: str) -> None:
    assert held_sentence(present, ownership, "2m") == sentence


ANN = Acknowledgement("ann", 1.0)


@pytest.mark.parametrize(
    ("result", "taking", "to", "sentence"),
    [
        (AcknowledgeResult(ANN, Ownership.OURS, True), True, "", "HighErrorRate is yours until it resolves"),
        (AcknowledgeResult(ANN, Ownership.OURS, True, "no answer"), True, "",
         "HighErrorRate is yours in this journal; could not check whether someone else acknowledged it: no answer"),
        (AcknowledgeResult(ANN, Ownership.ANOTHER, True), True, "", "ann acknowledged HighErrorRate first: it is not yours"),
        (AcknowledgeResult(ANN, Ownership.SAME_ACCOUNT, True), True, "",
         "ann on another console acknowledged HighErrorRate first: it is not yours"),
        (AcknowledgeResult(None, Ownership.NOBODY, True), False, "", "HighErrorRate is released"),
        (AcknowledgeResult(None, Ownership.NOBODY, True, "no answer"), False, "", "HighErrorRate is released; no answer"),
        (AcknowledgeResult(ANN, Ownership.ANOTHER, True), False, "", "ann acknowledged HighErrorRate in the meantime"),
        (AcknowledgeResult(ANN, Ownership.ANOTHER, True), True, "ann", "HighErrorRate handed to ann"),
        (AcknowledgeResult(ANN, Ownership.ANOTHER, True, "no answer"), True, "ann",
         "HighErrorRate handed to ann; could not check whether someone else acknowledged it: no answer"),
        (AcknowledgeResult(ANN, Ownership.ANOTHER, True), True, "bob", "ann acknowledged HighErrorRate first: it is not yours"),
    ],
)  # fmt: skip
def test_what_became_of_taking_handing_and_releasing(result: AcknowledgeResult, taking: bool, to: str, sentence: str) -> None:
    """It is never called yours or handed over where somebody else came first, nor certain where nobody could check."""
    assert outcome_sentence("HighErrorRate", result, taking=taking, to=to) == sentence
    assert [item for item in Ownership if item.held_by_other] == [Ownership.SAME_ACCOUNT, Ownership.ANOTHER]


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (AlertState.SUPPRESSED, "x is yours until it resolves"),
        (AlertState.PENDING, "x is yours while it is pending; acknowledge it again once it fires"),
        (AlertState.UNDELIVERED, "x is yours until Alertmanager receives it; acknowledge it again then"),
    ],
)
def test_how_long_an_alert_is_yours(state: AlertState, sentence: str) -> None:
    """One that Alertmanager does not have yet gets another fingerprint there, and nobody holds that one."""
    assert outcome_sentence("x", AcknowledgeResult(ANN, Ownership.OURS, True), taking=True, state=state) == sentence
