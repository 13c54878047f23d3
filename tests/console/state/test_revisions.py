"""What is known of each revision, and which of them a rollback goes to where none is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from console.actions.reconcilers import TEMPLATE
from console.actions.registry import ACTIONS
from console.journal.event import Event
from console.journal.payloads import event_kind
from console.state.revisions import (
    RevisionChoice,
    RevisionRecord,
    RevisionRecords,
    Standing,
    is_older,
    name_rollout_author,
    observe_rollouts,
    propose_revision,
    revision_choices,
    rollout_authors,
)
from queries.kubernetes.revision_decode import decode_revision
from queries.model.cluster import Cluster
from queries.model.workload import Condition, Revision, Workload

WEB = Workload(
    namespace="n", name="web", uid="u1", resource_version="1", generation=1, observed_generation=1,
    desired=3, replicas=3, updated=3, ready=3, available=3, paused=False, revision=2, created_at=0.0,
)  # fmt: skip


def rs(number: int, template: str, *history: int, ready: int = 0, name: str = "") -> Revision:
    return Revision(number, name or f"web-{template}", "u1", 0.0, ready, ready, template=template, history=history)


def records(**found: RevisionRecord) -> dict[tuple[str, str], RevisionRecord]:
    return {("u1", f"web-{name}"): record for name, record in found.items()}


READY = RevisionRecord(ready_at=86_400.0)


def standings_and_default(
    current: int, revisions: list[Revision], **found: RevisionRecord
) -> tuple[dict[int, Standing], RevisionChoice | None]:
    told = revision_choices(replace(WEB, revision=current), revisions, records(**found))
    return {item.revision.number: item.standing for item in told}, propose_revision(told)


def number(choice: RevisionChoice | None) -> int | None:
    return choice.revision.number if choice else None


def test_the_last_that_was_ready_is_the_default() -> None:
    """A newer one that failed is passed over; one of which nothing is known comes only where none is known to be good."""
    revisions = [rs(1, "a"), rs(2, "b"), rs(3, "c"), rs(4, "d", ready=3)]
    found, default = standings_and_default(4, revisions, a=READY, b=READY, c=RevisionRecord(failed_at=9.0))
    assert found == {3: Standing.NEVER_READY, 2: Standing.READY, 1: Standing.READY}
    assert number(default) == 2
    found, default = standings_and_default(4, revisions, a=READY)
    assert found[3] is Standing.UNKNOWN
    assert number(default) == 1
    assert number(standings_and_default(4, revisions)[1]) == 3


def test_pods_that_are_ready_now_prove_it() -> None:
    """While a bad release hangs, the one before it still has its pods: no journal is needed."""
    assert number(standings_and_default(2, [rs(1, "a", ready=3), rs(2, "b")])[1]) == 1


def test_after_a_rollback_the_bad_release_is_not_proposed() -> None:
    """1 became 3, the bad one is 2 and 'the one before': the cluster's own annotation tells, whoever rolled back."""
    revisions = [rs(3, "a", 1, ready=3), rs(2, "b")]
    found, default = standings_and_default(3, revisions, a=READY, b=READY)
    assert (found, default) == ({2: Standing.ROLLED_BACK}, None)
    told = revision_choices(replace(WEB, revision=3), revisions, {})[0].text
    assert told == "was rolled back from: revision 3 restored an older template"
    revisions = [rs(1, "o"), rs(4, "a", 2, ready=3), rs(3, "b")]
    assert number(standings_and_default(4, revisions, a=READY, b=READY, o=READY)[1]) == 1


def test_a_restart_in_between_hides_nothing() -> None:
    """Restarts are revisions of their own: the bad release restarted is as bad, the good one restarted is what runs."""
    # a was revision 1; b came as 2 and was restarted as 3; a was brought back as 4 and restarted as 5.
    revisions = [rs(2, "b", name="b1"), rs(3, "b", name="b2"), rs(4, "a", 1, name="a1"), rs(5, "a", name="a2", ready=3)]
    found, default = standings_and_default(5, revisions)
    assert found == {4: Standing.SAME, 3: Standing.ROLLED_BACK, 2: Standing.ROLLED_BACK}
    assert default is None


def test_a_release_that_came_back_and_stayed_is_good_again() -> None:
    """Rolled back from at 2, released again as 4, followed by a new one: its last turn counts."""
    revisions = [rs(3, "a", 1), rs(4, "b", 2), rs(5, "c", ready=3)]
    found, default = standings_and_default(5, revisions, b=READY, a=READY)
    assert (found[4], number(default)) == (Standing.READY, 4)
    left_at_2 = RevisionRecord(ready_at=9.0, left_at=10.0, left_by="ann", left_number=2)
    assert standings_and_default(5, revisions, b=left_at_2)[0][4] is Standing.READY


def test_a_rollback_that_a_controller_undid_is_proposed_again() -> None:
    """A was brought back as 3, a controller reapplied B as 4: A is not 'rolled back from', B came after it."""
    revisions = [rs(3, "a", 1), rs(4, "b", 2, ready=3)]
    assert number(standings_and_default(4, revisions, a=READY)[1]) == 3


def test_the_direction_is_that_of_the_templates() -> None:
    """Only to an older template is back: naming the newer one again is a rollout, and nothing was rolled back from then."""
    a, b = rs(3, "a", 1), rs(2, "b")
    assert is_older(b, a, [a, b])
    assert not is_older(a, b, [a, b])


def event(kind: str, at: float = 100.0, **data: Any) -> Event:
    told = {"deployment": "u1", "replica_set": "web-b", "revision": 2, "ready": 0, "desired": 3, **data}
    return Event(at, kind, "x", "ann", data={"revisions": told})


@pytest.mark.parametrize(
    ("found", "name", "record"),
    [
        (event("rollout.complete", ready=3), "web-b", RevisionRecord(ready_at=100.0)),
        (event("rollout.failed"), "web-b", RevisionRecord(failed_at=100.0)),
        (event("action.outcome", ready=3), "web-b", RevisionRecord(ready_at=100.0)),
        (event("action.outcome", ready=1, goal="web-a", back=True, taken=True, rolled_out=False), "web-b",
         RevisionRecord(left_at=100.0, left_by="ann", left_number=2)),
        (event("action.outcome", goal="web-a", back=True, taken=True, rolled_out=True), "web-a",
         RevisionRecord(ready_at=100.0)),
        (event("action.outcome", goal="web-a", back=True, taken=False, rolled_out=False), "web-b", RevisionRecord()),
        (event("action.outcome", goal="web-a", back=False, taken=True, rolled_out=True), "web-b", RevisionRecord()),
        (event("action.outcome", desired=0, goal="web-a", back=True, taken=True, rolled_out=True), "web-a", RevisionRecord()),
    ],
)  # fmt: skip
def test_what_the_journal_teaches(found: Event, name: str, record: RevisionRecord) -> None:
    """Ready is what was seen whole; rolled back from is what a rollback left that the server took, and never a rollout."""
    told = RevisionRecords()
    assert told.apply(told.initial(), found).get(("u1", name), RevisionRecord()) == record


def test_an_outcome_without_revisions_means_nothing() -> None:
    """As the releases before wrote it, and as silences do."""
    told = RevisionRecords()
    assert told.apply(told.initial(), Event(1.0, "action.outcome", "x", "ann", data={"outcome": "done"})) == {}


def test_what_is_to_be_journalled_of_a_cluster() -> None:
    """A complete rollout once, a failed one once; one under way, and one without pods, not at all."""
    whole = Cluster("n", (WEB,), (rs(2, "b", ready=3), rs(1, "a")))
    (seen,) = observe_rollouts(whole, {})
    subject, payload = seen
    assert (event_kind(payload), subject) == ("rollout.complete", "u1/web-b")
    assert payload.text == "revision 2 rolled out, 3 of 3 pods ready"
    assert observe_rollouts(whole, records(b=READY)) == ()
    deadline = Condition("Progressing", "False", "ProgressDeadlineExceeded")
    stuck = replace(WEB, updated=1, conditions=(deadline,))
    hanging = Cluster("n", (stuck,), (rs(2, "b"), rs(1, "a", ready=3)))
    assert [event_kind(item) for _, item in observe_rollouts(hanging, {})] == ["rollout.failed"]
    assert observe_rollouts(hanging, records(b=READY)) == ()
    assert observe_rollouts(Cluster("n", (replace(WEB, updated=1),), (rs(2, "b", ready=1),)), {}) == ()
    empty = replace(WEB, desired=0, replicas=0, updated=0, ready=0, available=0)
    assert observe_rollouts(Cluster("n", (empty,), (rs(2, "b"),)), {}) == ()


def test_templates_are_compared_by_everything_but_the_restart() -> None:
    """The hash label and the time of a restart say nothing; a limit does."""

    def made(limit: str, **annotations: str) -> Revision:
        meta = {"labels": {"app": "web", "pod-template-hash": limit}, "annotations": annotations}
        container = {"name": "web", "image": "x:1", "resources": {"limits": {"cpu": limit}}}
        item = {"metadata": {"name": "r"}, "spec": {"template": {"metadata": meta, "spec": {"containers": [container]}}}}
        return decode_revision(item)

    plain = made("1").template
    assert plain == made("1", **{"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}).template
    assert plain != made("2").template
    assert plain != made("1", note="x").template


def test_who_rolled_a_workload_out() -> None:
    """The field manager; where that is a console, the person whose journalled action began when it wrote, and nobody else."""
    web = replace(WEB, written_by="cad-console", written_at=5000.0)

    def acted(at: float, who: str, *, action: str = "rollback", target: str = "deployment/web") -> Event:
        data = {"action": action, "target": target, "outcome": "done", "elapsed_seconds": 40.0}
        return Event(at, "action.outcome", "run", who, "prod", data)

    events = (
        acted(3000.0, "ann@vm"), acted(5041.0, "bob@vm"), acted(5050.0, "eve@vm", action="scale"),
        acted(5050.0, "cyd@vm", target="statefulset/web"), Event(5041.0, "action.outcome", "run", "x", "prod", {"target": 7}),
    )  # fmt: skip
    assert name_rollout_author(web, rollout_authors(events)) == "bob@vm"
    assert name_rollout_author(web, rollout_authors(events[:1])) == "cad-console"
    assert name_rollout_author(replace(web, written_by="helm"), rollout_authors(events)) == "helm"
    assert name_rollout_author(WEB, rollout_authors(events)) == ""


def test_a_rollout_belongs_to_the_action_that_ran_when_it_was_written() -> None:
    """A new image counts as a rollout, and neither an action that had ended or had not begun, nor one that sent nothing."""

    def acted(action: str, begin: float, end: float, who: str, outcome: str = "done") -> Event:
        data = {"action": action, "target": "deployment/web", "outcome": outcome, "elapsed_seconds": end - begin}
        return Event(end, "action.outcome", "run", who, "prod", data)

    def author(at: float, *events: Event) -> str:
        return name_rollout_author(replace(WEB, written_by="cad-console", written_at=at), rollout_authors(events))

    image = acted("image", 5000.0, 5300.0, "ann@vm")
    earlier, later = acted("restart", 4900.0, 4940.0, "bob@vm"), acted("restart", 5080.0, 5320.0, "bob@vm")
    assert author(5003.0, image) == author(5250.0, image) == "ann@vm"
    assert author(5003.0, earlier, image, later) == "ann@vm"
    assert author(5090.0, later, image) == "bob@vm"
    assert author(5003.0, image, acted("restart", 5001.0, 5020.0, "bob@vm", "refused")) == "ann@vm"
    assert author(4970.0, earlier, image) == "cad-console"


def test_new_limits_are_a_rollout_of_whoever_set_them() -> None:
    """Every action that changes the pod template counts, so that no rollout from a console is the console's own."""
    written = replace(WEB, written_by="cad-console", written_at=5003.0)
    names = [action.name for action in ACTIONS if getattr(action, "changes", "") == TEMPLATE or action.name == "image"]
    assert set(names) == {"image", "limits", "restart", "rollback"}
    for name in names:
        data = {"action": name, "target": "deployment/web", "outcome": "done", "elapsed_seconds": 40.0}
        event = Event(5040.0, "action.outcome", "run", "ann@vm", "prod", data)
        assert name_rollout_author(written, rollout_authors((event,))) == "ann@vm", name
