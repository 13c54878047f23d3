"""What the journal records about an action, and what a run reads there about others: facts, and no secret."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from action_bench import settings_for

from console.actions.journal_payload import declined_payload, intent_payload, outcome_payload, step_payload
from console.actions.plan import ClusterTarget, Difference, Outcome, Plan, Request, StepReport
from console.actions.run_journal import RunJournal
from console.journal.errors import JournalError
from console.journal.payloads import ActionIntent, ActionOutcome, Payload, RevisionFacts, create_event
from console.journal.sqlite import Journal
from queries.http.endpoint import ClusterIdentity

NOW = 1_700_000_000.0
TARGET = "deployment/api"
REQUEST = Request("image", TARGET, cause="alert A", panel_id="p", fingerprint="f")
PLAN = Plan(REQUEST, "Set image of deployment/api", TARGET, (), ("a note",), "kubectl x", "api", {}, "7", "d1")
HERE = ClusterTarget("context prod", "https://api.test", ClusterIdentity("u1", "u2", "ann", ("admins", "system:authenticated")))


@pytest.mark.parametrize(
    ("name", "before", "after", "kept"),
    [
        ("image", "a:1", "a:2", ("a:1", "a:2")),
        ("env DB_PASSWORD", "-", "hunter2", ("-", "(not kept)")),
        ("env DB_PASSWORD of web", "one", "two", ("(not kept)", "(not kept)")),
        ("env DB_PASSWORD", "<secret db/password>", "<secret db/next>", ("<secret db/password>", "<secret db/next>")),
        ("env DB_PASSWORD", "<half", "half>", ("(not kept)", "(not kept)")),
        ("env LOG_LEVEL", "info", "debug", ("info", "debug")),
        ("command", "x --token=abcdef123456 y", "(hidden a1b2c3)", ("(not kept)", "(not kept)")),
        ("DB_PASSWORD", "plain", "other", ("plain", "other")),
    ],
)
def test_a_secret_is_in_no_intent(name: str, before: str, after: str, kept: tuple[str, str]) -> None:
    """By the name of its variable or by its form; where nothing was, and a reference to a secret, reveal nothing."""
    plan = replace(PLAN, differences=(Difference("replicas", "3", "3"), Difference(name, before, after)))
    assert intent_payload(plan, HERE).differences == (("replicas", "3", "3"), (name, *kept))


def test_intent_decline_and_outcome_name_one_target() -> None:
    """Cluster, identity and UIDs as the server said them; what it did not say is left out, and why a freeze was overruled."""
    place = {"cluster": "context prod", "server": "https://api.test", "cluster_uid": "u1", "namespace_uid": "u2",
             "identity": "ann (groups admins)"}  # fmt: skip
    payloads: tuple[Any, ...] = (
        intent_payload(PLAN, HERE), declined_payload(PLAN, HERE),
        outcome_payload(PLAN, HERE, Outcome.DONE, "done", 1.0, accepted=True, rolled_out=True),
    )  # fmt: skip
    for payload in payloads:
        assert {name: getattr(payload, name) for name in place} == place
        assert (payload.action, payload.title, payload.target) == ("image", "Set image of deployment/api", TARGET)
        assert (payload.command, payload.cause) == ("kubectl x", "alert A")
    bare = intent_payload(PLAN, ClusterTarget())
    assert (bare.cluster, bare.server, bare.cluster_uid, bare.namespace_uid, bare.identity) == (None,) * 5
    assert (bare.notes, bare.digest, bare.resource_version, bare.panel_id, bare.fingerprint) == (
        ("a note",),
        "d1",
        "7",
        "p",
        "f",
    )
    assert bare.overrule is None
    assert intent_payload(replace(PLAN, request=replace(REQUEST, overrule="incident")), HERE).overrule == "incident"


@pytest.mark.parametrize(("seconds", "kept"), [(-0.5, 0.0), (0.0, 0.0), (0.04, 0.0), (0.06, 0.1), (12.34, 12.3)])
def test_an_outcome_takes_no_less_than_no_time(seconds: float, kept: float) -> None:
    """In tenths of a second. What it says of a revision, the server's answer and the pods decide."""
    found = outcome_payload(PLAN, HERE, Outcome.FAILED, "failed: x", seconds, accepted=True, rolled_out=False)
    assert (found.elapsed_seconds, found.outcome, found.text, found.revisions) == (kept, "failed", "failed: x", None)
    plan = replace(PLAN, record=RevisionFacts("d", "r", 7, 1, 3))
    found = outcome_payload(plan, HERE, Outcome.DONE, "done", seconds, accepted=True, rolled_out=False)
    assert found.revisions is not None and (found.revisions.taken, found.revisions.rolled_out) == (True, False)


@pytest.mark.parametrize(("done", "state"), [(None, "begun"), (True, "done"), (False, "failed")])
def test_a_step_begins_and_ends(done: bool | None, state: str) -> None:
    """With what it ran and printed; what it has not is left out, and 0 seconds is a time."""
    found = step_payload(PLAN, StepReport("backup", "backs up", command="pg_dump", done=done, seconds=0.04, answer="b1"))
    assert (found.step, found.state, found.target, found.command) == ("backup", state, TARGET, "pg_dump")
    assert (found.seconds, found.output, found.answer) == (0.0, None, "b1")
    bare = step_payload(PLAN, StepReport("backup", "backs up", done=done, output="lines"))
    assert (bare.seconds, bare.command, bare.output, bare.answer) == (None, None, "lines", None)


# What others did meanwhile


def act(journal: Journal, author: str, run: str, at: float, *payloads: Payload) -> None:
    for payload in payloads:
        journal.append(create_event(payload, at=at, subject=run, author=author, environment="test"))


def intent(title: str, target: str = TARGET, process: str = "") -> ActionIntent:
    return ActionIntent(title=title, target=target, process=process or None, differences=(("image", "a:1", "a:2"),))


def run_journal(folder: Path, journal: Journal | None, **more: Any) -> RunJournal:
    given: dict[str, Any] = {"error": "", "fetch": None, "clock_ahead_seconds": lambda author, console: 0.0, **more}
    return RunJournal(journal, "own", settings=settings_for(folder, None), clock=lambda: NOW, **given)


async def test_what_others_did_to_the_target_meanwhile_is_said(tmp_path: Path) -> None:
    """Only since the run began, only on its target, and not the run itself: of two the newest, by its author's clock. What the
    shared store has is fetched first.
    """
    fetched: list[int] = []
    clocks: list[tuple[str, str]] = []

    def ahead(author: str, console: str) -> float:
        clocks.append((author, console))
        return 600.0

    with Journal.open(tmp_path / "j") as journal:

        async def fetch() -> None:
            fetched.append(1)
            act(journal, "bob@vm", "r2", NOW + 590.0, intent("Restart it", process="vm b 1 1"),
                ActionOutcome("done", "done in 3s", title="Restart it", target=TARGET))  # fmt: skip

        own = run_journal(tmp_path, journal, fetch=fetch, clock_ahead_seconds=ahead)
        act(journal, "eve@vm", "r0", NOW - 60.0, intent("Before it began"))
        assert await own.describe_meanwhile(TARGET) == "" and fetched == []
        await own.begin()
        act(journal, "ann@vm", "r1", NOW - 20.0, intent("Scale it"))
        act(journal, "me@vm", "own", NOW - 1.0, intent("My own"))
        act(journal, "eve@vm", "r3", NOW - 1.0, intent("Another", target="deployment/web"))
        assert await own.describe_meanwhile(TARGET) == "bob@vm: Restart it, image 1 → 2, 10s ago: done in 3s"
        assert fetched == [1] and clocks == [("bob@vm", "vm b 1 1")]
        quiet = run_journal(tmp_path, journal)
        await quiet.begin()
        assert await quiet.describe_meanwhile(TARGET) == ""
        act(journal, "ann@vm", "r4", NOW - 2.0, intent("Scale it"))
        assert await quiet.describe_meanwhile(TARGET) == "ann@vm: Scale it, image 1 → 2, 2s ago: no outcome yet"
        assert await quiet.describe_meanwhile("deployment/other") == ""


async def test_a_journal_that_fails_stops_nothing_but_the_write(tmp_path: Path) -> None:
    """Without one nothing is known of others, and a decline needs no record; what has to be on record raises the reason."""
    bare = run_journal(tmp_path, None, error="the journal is locked")
    await bare.begin()
    assert await bare.describe_meanwhile(TARGET) == ""
    await bare.write_declined(PLAN, HERE)
    with pytest.raises(JournalError, match="the journal is locked"):
        await bare.write(intent("x"))
    assert run_journal(tmp_path, None).error == "there is no journal"
    with Journal.open(tmp_path / "j") as journal:
        good = run_journal(tmp_path, journal)
        await good.begin()
        written = await good.write(intent("x"))
        other = good.append(intent("y"), "another")
        assert (written.subject, other.subject, written.at, written.author) == ("own", "another", NOW, "tester")
        await good.write_declined(PLAN, HERE)
        assert [item.kind for item in journal.events()] == ["action.intent", "action.intent", "action.declined"]

        async def fail() -> None:
            raise JournalError("gone")

        lost = run_journal(tmp_path, journal, fetch=fail)
        await lost.begin()
        act(journal, "ann@vm", "r1", NOW, intent("Scale it"))
        assert await lost.describe_meanwhile(TARGET) == ""
