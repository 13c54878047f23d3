"""Actions whose outcome nobody knows: which they are, what is known of their console, and how a person finds out."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from screen_samples import settings

from console.journal import process
from console.journal.anchors import compare
from console.journal.event import Event
from console.journal.sqlite import Journal
from console.journal.unfinished import MOST, Unfinished, UnfinishedProjection, examine, open_actions, unknown_outcome
from queries.errors import TimedOut
from queries.http.endpoint import ClusterEndpoint, ClusterPlace
from queries.model.fault import Fault, FaultKind

HERE = process.current().text()
GONE = f"{socket.gethostname()} {HERE.split(' ')[1]} 1 not-its-start"
ELSEWHERE = "bastion boot 1 2"


def intent(subject: str = "r1", author: str = "ann@vm", environment: str = "production", **data: Any) -> Event:
    given = {"action": "scale", "title": "Scale", "target": "deployment/api", **data}
    return Event(
        1000.0,
        "action.intent",
        subject,
        author,
        environment,
        {name: value for name, value in given.items() if value is not None},
    )


def event(kind: str, subject: str = "r1", **data: Any) -> Event:
    return Event(1001.0, kind, subject, "ann@vm", "production", data)


def fold(*events: Event) -> dict[str, str | None]:
    made = UnfinishedProjection()
    return {name: item.data.get("step") for name, item in made.fold(made.initial(), events).items()}


def test_an_intent_is_unfinished_until_its_outcome() -> None:
    """Of two runs only the one without an outcome; the last step that began is known, one that ended is not the last."""
    both = (intent("r1"), intent("r2"))
    begun = event("action.step", step="backup", state="begun", text="backup: tar")
    done = event("action.step", step="backup", state="done", text="x")
    assert fold(*both) == {"r1": None, "r2": None}
    assert fold(*both, begun, done) == {"r1": "backup: tar", "r2": None}
    assert fold(*both, begun, event("action.step", step="update", state="begun")) == {"r1": "update", "r2": None}
    assert fold(*both, event("action.outcome", outcome="done")) == {"r2": None}
    assert fold(event("action.step", step="x", state="begun"), event("action.outcome", "r9")) == {}
    assert fold(intent(action=7)) == {"r1": None}, "what cannot be read is unfinished all the same"
    assert fold(*both, event("action.step", step=7, state="begun")) == {"r1": None, "r2": None}


def test_the_newest_are_kept_and_nothing_changes_without_need() -> None:
    """Five hundred, the oldest of 501 left out; an event that changes nothing gives the same state."""
    made = UnfinishedProjection()
    state = made.fold(made.initial(), [intent(f"r{at}") for at in range(MOST + 1)])
    assert len(state) == MOST and "r0" not in state and f"r{MOST}" in state
    assert made.apply(state, event("action.outcome", "unknown")) is state
    one = made.apply(made.initial(), intent())
    assert list(one) == ["r1"] and list(made.initial()) == []


def test_where_its_console_is() -> None:
    """One that runs here is not unfinished; one that ended here has ended; of one elsewhere nothing is known."""
    assert examine(intent(process=HERE)) is None
    gone = examine(intent(process=GONE))
    assert gone is not None and (gone.host, gone.ended) == (socket.gethostname(), True)
    away = examine(intent(process=ELSEWHERE))
    assert away is not None and (away.host, away.ended) == ("bastion", False)
    old = examine(intent())
    assert old is not None and (old.host, old.ended) == ("vm", False)
    assert examine(intent(process=ELSEWHERE), HERE) is None, "the file's own record counts first"


def test_only_those_that_do_not_run_here_are_open() -> None:
    """In their order."""
    listed = [intent("a", process=ELSEWHERE), intent("b", process=HERE), intent("c", process=GONE)]
    assert [item.intent.subject for item in open_actions(listed)] == ["a", "c"]


OPEN = "no outcome, it may still be running"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Unfinished(intent(), "vm", False), "Scale: started 5m ago by ann@vm; no outcome, it may still be running"),
        (Unfinished(intent(), "bastion", False), f"Scale: started 5m ago by ann@vm on bastion; {OPEN}"),
        (Unfinished(intent(), "", True), "Scale: started 5m ago by ann@vm; its console ended before the outcome was known"),
        (Unfinished(intent(title=None, step="backup: tar"), "vm", True),
         "scale deployment/api: started 5m ago by ann@vm; its console ended before the outcome was known; "
         "the last step that began: backup: tar"),
        (Unfinished(intent(title=None, target=None), "vm", False), f"scale: started 5m ago by ann@vm; {OPEN}"),
        (Unfinished(intent(action=None, title=None, target=None), "vm", False),
         "r1: started 5m ago by ann@vm; no outcome, it may still be running"),
    ],
)  # fmt: skip
def test_a_sentence(found: Unfinished, words: str) -> None:
    """What, when, by whom, where if that is elsewhere, what is known of the console, and the last step."""
    assert found.sentence("5m") == words


PLACE = ClusterPlace("prod", "c", "https://h:6443", "ann")
IN = f"{PLACE.sentence()}, namespace shop"


@pytest.mark.parametrize(
    ("data", "environment", "hint"),
    [
        ({"cluster": IN}, "production", "inspect: kubectl --context prod -n shop rollout status deployment/api"),
        ({"cluster": IN, "target": "statefulset/db"}, "other",
         "inspect: kubectl --context prod -n shop rollout status statefulset/db"),
        ({"cluster": "context x, server https://x, namespace shop"}, "production",
         "inspect deployment/api in context x, server https://x, namespace shop: not this console's cluster"),
        ({}, "production", "inspect: kubectl --context prod -n cad-ml-platform rollout status deployment/api"),
        ({}, "staging", "inspect deployment/api in the environment staging: not this console's"),
        ({"cluster": IN, "target": "silence/s1"}, "production", "inspect what it changes before anybody runs it again"),
        ({"cluster": IN, "target": None}, "production", "inspect what it changes before anybody runs it again"),
    ],
)  # fmt: skip
def test_how_to_find_out(tmp_path: Path, data: dict[str, Any], environment: str, hint: str) -> None:
    """A command only where it leads to the very place of the action; else that place."""
    endpoint = ClusterEndpoint("cad-ml-platform", context="prod", place=PLACE, kubectl=("kubectl", "--context", "prod"))
    here = replace(settings(tmp_path), kubernetes=endpoint)
    assert Unfinished(intent(environment=environment, **data), "vm", False).inspection_hint(here) == hint


def test_a_console_that_does_not_know_its_own_cluster(tmp_path: Path) -> None:
    """It names no command, and another cluster as such."""
    for cluster in (None, ClusterEndpoint("n")):
        here = replace(settings(tmp_path), kubernetes=cluster)
        assert "this console does not know its own cluster" in Unfinished(intent(), "vm", False).inspection_hint(here)
        assert "not this console's cluster" in Unfinished(intent(cluster=IN), "vm", False).inspection_hint(here)


def test_an_outcome_that_nobody_saw() -> None:
    """It is unknown, with why it is written now, and names the action."""
    found = unknown_outcome(intent(), "its console was killed")
    assert (found.outcome, found.text, found.action, found.title, found.target) == (
        "unknown", "its console was killed", "scale", "Scale", "deployment/api"
    )  # fmt: skip


class Mute:
    """A shared store that never answers, with or without a reason."""

    where = "http://store"

    def __init__(self, fault: Fault | None = None) -> None:
        self.fault = fault
        self.closed = False

    def listen(self, woken: object) -> None:
        return

    def read(self, cursor: str, ingest: object) -> bool:
        return False

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("fault", "what", "hint"),
    [
        (None, "no answer within 50ms", "check that the store is up"),
        (Fault(FaultKind.UNREACHABLE, "no connection", "http://other", "check it"), "no connection", "check it"),
    ],
)
def test_a_store_that_never_answers(tmp_path: Path, fault: Fault | None, what: str, hint: str) -> None:
    """The comparison ends in time, with the store's own reason if it has one, and closes the store."""
    store = Mute(fault)
    with Journal.open(str(tmp_path / "journal.sqlite")) as journal, pytest.raises(TimedOut) as refused:
        compare(journal, store, seconds=0.05)  # type: ignore[arg-type]
    assert (refused.value.fault.what, refused.value.fault.hint, store.closed) == (what, hint, True)
