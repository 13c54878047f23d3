"""The ledger: what the events add up to, read once and then only what is new."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.journal.acknowledgements import Acknowledgement
from console.journal.event import Event
from console.journal.projection import Projection
from console.journal.recent_actions import LIMIT, RecentActions
from console.journal.sqlite import Journal
from console.state.journal_state import PROJECTIONS, JournalReader, JournalState

ROOT = Path(__file__).parents[3]


def event(kind: str, subject: str = "s", *, at: float = 1.0, environment: str = "prod", **data: object) -> Event:
    return Event(at, kind, subject, "ann", environment, dict(data))


class Counted(Projection[tuple[str, ...]]):
    """Every subject that it was given, in order."""

    kinds: ClassVar[tuple[str, ...]] = ("alert.owned", "alert.released", "note", "action.outcome")

    def initial(self) -> tuple[str, ...]:
        return ()

    def apply(self, state: tuple[str, ...], event: Event) -> tuple[str, ...]:
        return (*state, event.subject)


def test_every_projection_has_its_field() -> None:
    """The names in the tuple are the fields of the state, each once, and each field begins as its projection does."""
    names = [name for name, _ in PROJECTIONS]
    own = ("left_out", "head", "read", "behind", "lost")
    assert ["sequence", *names, *own] == list(JournalState.__dataclass_fields__)
    state = JournalState()
    for name, projection in PROJECTIONS:
        assert getattr(state, name) == projection.initial(), name


def test_it_begins_with_all_and_goes_on_with_what_is_new(tmp_path: Path) -> None:
    """Old events are in it from the start; a new one is folded once; nothing new is no change and the same object."""
    with Journal.open(tmp_path / "j") as journal:
        journal.append(event("alert.owned", "a", at=1.0))
        ledger = JournalReader(journal, environment="prod")
        assert ledger.refresh()
        assert dict(ledger.state.owners) == {"a": Acknowledgement("ann", 1.0)}
        before = ledger.state
        assert not ledger.refresh()
        assert ledger.state is before
        note = journal.append(event("note", text="x"))
        assert ledger.refresh()
        assert ledger.state.recent == (note,)
        assert (ledger.state.owners is before.owners, ledger.state.sequence) == (True, 2)


def test_each_event_is_given_once_whenever_it_is_looked(tmp_path: Path) -> None:
    """Whether it was looked after each event, after some or after all of them, every event was folded once, in order."""
    with Journal.open(tmp_path / "j") as journal:
        ledgers = [JournalReader(journal, environment="prod", projections=(("owners", Counted()),)) for _ in range(3)]
        for number in range(20):
            journal.append(event(("note", "alert.owned", "other")[number % 3], str(number)))
            for every, ledger in enumerate(ledgers, 1):
                if number % (every * every) == 0:
                    ledger.refresh()
        for ledger in ledgers:
            ledger.refresh()
        assert [ledger.state.owners for ledger in ledgers] == [tuple(str(n) for n in range(20) if n % 3 != 2)] * 3


def test_an_event_that_nobody_wants_changes_nothing(tmp_path: Path) -> None:
    """A kind without a projection and another environment are passed over; an event of no environment belongs to all."""
    with Journal.open(tmp_path / "j") as journal:
        ledger = JournalReader(journal, environment="prod")
        ledger.refresh()
        journal.append(event("other"))
        journal.append(event("alert.owned", "a", environment="staging"))
        assert not ledger.refresh()
        assert (dict(ledger.state.owners), ledger.state.sequence) == ({}, 2)
        journal.append(event("alert.owned", "b", environment=""))
        assert ledger.refresh()
        assert list(ledger.state.owners) == ["b"]


def test_another_process_is_seen_and_a_quiet_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another process appends is there at the next refresh; between writes no event is asked for."""
    with Journal.open(tmp_path / "j") as journal:
        ledger = JournalReader(journal, environment="prod")
        ledger.refresh()
        code = (
            "import sys; from console.journal.sqlite import Journal; from console.journal.event import Event\n"
            "with Journal.open(sys.argv[1]) as journal: journal.append(Event(2.0, 'alert.owned', 'a', 'bob', 'prod'))"
        )
        subprocess.run([sys.executable, "-c", code, str(tmp_path / "j")], cwd=ROOT, check=True, timeout=30)
        assert ledger.refresh()
        assert dict(ledger.state.owners) == {"a": Acknowledgement("bob", 2.0)}
        asked: list[tuple[str, Sequence[Any]]] = []
        real = journal.select

        def counted(statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
            asked.append((statement, values))
            return real(statement, values)

        monkeypatch.setattr(journal, "select", counted)
        assert not any(ledger.refresh() for _ in range(100))
        assert asked == []
        journal.append(event("note"))
        assert ledger.refresh()
        (read,) = [values for statement, values in asked if " data" in statement]
        assert read[0] == 1


def test_the_newest_are_enough_where_a_projection_says_so(tmp_path: Path) -> None:
    """Of many notes the newest are kept, the same ones whether they were there at the beginning or came later."""
    with Journal.open(tmp_path / "j") as journal:
        early = JournalReader(journal, environment="prod")
        early.refresh()
        journal.select("PRAGMA synchronous = OFF", ())
        for number in range(LIMIT + 50):
            journal.append(event("note", str(number)))
            journal.append(event("note", str(number), environment="staging"))
        late = JournalReader(journal, environment="prod")
        assert early.refresh() and late.refresh()
        assert early.state == late.state
        assert [item.subject for item in late.state.recent] == [str(number) for number in range(50, LIMIT + 50)]


def test_notes_push_no_action_out() -> None:
    """An action before two hundred notes is still among the recent ones, whether it is read at once or one by one."""
    action = Event(1e9, "action.outcome", "run", "ann", data={"title": "x", "outcome": "succeeded"})
    notes = [Event(1e9 + number, "note", str(number), "ann", data={"text": "x"}) for number in range(LIMIT + 1)]
    recent = RecentActions()
    one_by_one = recent.initial()
    for item in (action, *notes):
        one_by_one = recent.apply(one_by_one, item)
    assert one_by_one == recent.fold(recent.initial(), (action, *notes)) == (action, *notes[1:])


def test_many_at_once_are_folded_as_one_by_one() -> None:
    """A projection that takes many events in at once gives what it gives for one after the other."""
    events = [
        event(("alert.owned", "alert.released", "note", "action.outcome")[n * 7 % 4], str(n % 5), at=float(n))
        for n in range(500)
    ]

    def one_by_one(projection: Projection[Any], told: Iterable[Event]) -> Any:
        state = projection.initial()
        for item in told:
            state = projection.apply(state, item)
        return state

    assert any(item.kind in projection.kinds for _, projection in PROJECTIONS for item in events)
    for _, projection in PROJECTIONS:
        own = [item for item in events if item.kind in projection.kinds]
        assert projection.fold(projection.initial(), own) == one_by_one(projection, own)


OTHERS = tuple(
    Event(
        float(n), "alert.owned" if n % 3 else "alert.released", f"a{n % 4}", f"w{n % 2}", "prod", {}, 0, f"id{n}", n * 1_000_000
    )
    for n in range(1, 25)
)


@settings(deadline=None, max_examples=40)
@given(st.permutations(OTHERS), st.lists(st.integers(0, len(OTHERS)), max_size=4))
def test_events_that_come_late_are_put_where_they_belong(arrived: list[Event], looked: list[int]) -> None:
    """In whatever order and portions the shared store brings them, the ledger ends as if they had come in their order."""
    with TemporaryDirectory() as folder, Journal.open(Path(folder) / "j", store="s") as journal:
        journal.select("PRAGMA synchronous = OFF", ())
        ledger = JournalReader(journal, environment="prod", projections=(("owners", Counted()), ("recent", PROJECTIONS[0][1])))
        for begin, end in pairwise([0, *sorted(looked), len(arrived)]):
            ledger.refresh()
            journal.merge(arrived[begin:end])
        ledger.refresh()
        assert ledger.state.owners == tuple(item.subject for item in OTHERS)
        assert ledger.state.recent == PROJECTIONS[0][1].fold({}, OTHERS)


def test_one_that_is_older_than_all_that_is_remembered_is_put_in_its_place_too(tmp_path: Path) -> None:
    """After more events than the ledger keeps at hand, an event of a console that was cut off since the beginning."""
    with Journal.open(tmp_path / "j", store="s") as journal:
        journal.select("PRAGMA synchronous = OFF", ())
        ledger = JournalReader(journal, environment="prod", projections=(("owners", Counted()),))
        ledger.refresh()
        for number in range(700):
            journal.append(event("note", str(number), at=100.0 + number))
            if number % 50 == 0:
                ledger.refresh()
        journal.merge([Event(1.0, "note", "first", "bob", "prod", {}, 0, "x", 1)])
        assert ledger.refresh()
        assert ledger.state.owners == ("first", *(str(number) for number in range(700)))
