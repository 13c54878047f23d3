"""What changed: rollouts, silences and what people did, newest first and only of the last day."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from console.alerts.recent_changes import LIMIT, recent_changes
from console.journal.event import Event
from queries.model.cluster import Cluster, ClusterEvent
from queries.model.matcher import Matcher
from queries.model.silence import Silence
from queries.model.workload import Condition, Container, Revision, Workload

NOW = 1_800_000_000.0


def test_what_changed_newest_first() -> None:
    """A rollout with its images and cause, a silence that began and ended, an action with its outcome."""
    api = Workload("n", "cad-ml-api", "u", "1", 1, 1, 3, 3, 3, 3, 3, False, 42, NOW - 9e5, change_cause="ci\x1b",
                   containers=(Container("c", "r/x:1.9.0"),), written_by="kubectl-set")  # fmt: skip
    cluster = Cluster(
        "n",
        (api,),
        (Revision(41, "a", "u", NOW - 9e4, 0, containers=(Container("c", "r/x:1.8.2"),)), Revision(42, "b", "u", NOW - 300, 3)),
        events=(ClusterEvent("n", "Deployment", "cad-ml-api", "Normal", "ScalingReplicaSet", "Scaled up to 5", NOW - 200),),
    )
    silence = Silence("s", (Matcher("alertname", "CacheHitRateLow"),), NOW - 4000, NOW - 100, "you", "known", "expired")
    event = Event(NOW - 50, "action.outcome", "run", "you@host", data={"title": "Restart deployment/x", "outcome": "done"})
    told = recent_changes(cluster, (silence,), (event,), now=NOW)
    assert [(item.at - NOW, item.text) for item in told] == [
        (-50, "Restart deployment/x: done"),
        (-100, "silence expired CacheHitRateLow"),
        (-200, "cad-ml-api to 5"),
        (-300, "cad-ml-api 41→42 image 1.8.2 → 1.9.0 (ci\\e)"),
        (-4000, "silence CacheHitRateLow (known)"),
    ]
    assert [item.author for item in told] == ["you@host", "you", "", "kubectl-set", "you"]


def test_the_first_rollout_and_old_things_are_no_news() -> None:
    """A Deployment that was never changed, and what happened before yesterday, are left out; the list is bounded."""
    api = Workload("n", "x", "u", "1", 1, 1, 1, 1, 1, 1, 1, False, 1, NOW - 60)
    assert recent_changes(Cluster("n", (api,), (Revision(1, "a", "u", NOW - 60, 1),)), (), (), now=NOW) == ()
    old = Event(NOW - 90_000, "note", "n", "you", data={"text": "old"})
    many = [Event(NOW - number, "note", "n", "you", data={"text": str(number)}) for number in range(200)]
    told = recent_changes(None, (), (old, *many), now=NOW)
    assert len(told) == LIMIT
    assert told[0].text == "0"


def test_an_autoscaler_pushes_no_rollout_out() -> None:
    """A rollout, a silence, an action and a note stay in the list, whatever many later changes of another kind there are."""
    api = Workload("n", "api", "u", "1", 1, 1, 3, 3, 3, 3, 3, False, 2, NOW - 9e5, change_cause="release 2")
    revisions = (Revision(2, "api-b", "u", NOW - 50_000, 3), Revision(1, "api-a", "u", NOW - 9e5, 0))
    scalings = tuple(
        ClusterEvent("n", "Deployment", "api", "Normal", "ScalingReplicaSet",
                     f"Scaled replica set api-b from {3 + number % 2} to {4 - number % 2}", NOW - 300 * number)
        for number in range(1, 2 * LIMIT)
    )  # fmt: skip
    silence = Silence("s1", (Matcher("alertname", "Gone"),), NOW - 60_000, NOW - 55_000, "ann", "", "expired")
    action = {"action": "rollback", "target": "deployment/api", "outcome": "succeeded"}
    events = (
        Event(NOW - 52_000, "action.outcome", "deployment/api", "ann", data=action),
        Event(NOW - 51_000, "note", "", "ann", data={"text": "look here"}),
    )
    found = recent_changes(Cluster("n", (api,), revisions, events=scalings), (silence,), events, now=NOW)
    kinds = Counter(item.kind for item in found)
    assert kinds == {"scaled": LIMIT, "rollout": 1, "silence": 2, "action": 1, "note": 1}
    assert [item.at for item in found] == sorted((item.at for item in found), reverse=True)


def test_a_rollout_is_told_once_and_stays_told_after_the_rollback() -> None:
    """The scalings that a rollout is made of are no news; the release that was rolled back is still in the list."""
    api = Workload("n", "api", "u", "1", 1, 1, 3, 3, 3, 3, 3, False, 3, NOW - 9e5, change_cause="release 1.8.2",
                   containers=(Container("c", "r/x:1.8.2"),))  # fmt: skip
    revisions = (
        Revision(3, "api-old", "u", NOW - 9e4, 3, containers=(Container("c", "r/x:1.8.2"),), change_cause="release 1.8.2"),
        Revision(2, "api-new", "u", NOW - 600, 0, containers=(Container("c", "r/x:1.9.0"),), change_cause="release 1.9.0"),
    )
    moves = (("api-new", 0, 1, 600), ("api-old", 3, 2, 598), ("api-new", 1, 3, 596), ("api-old", 2, 0, 590),
             ("api-old", 0, 3, 60), ("api-new", 3, 0, 55))  # fmt: skip
    events = tuple(
        ClusterEvent("n", "Deployment", "api", "Normal", "ScalingReplicaSet",
                     f"Scaled replica set {name} from {before} to {after}", NOW - ago)
        for name, before, after, ago in moves
    )  # fmt: skip
    told = recent_changes(Cluster("n", (api,), revisions, events=events), (), (), now=NOW)
    assert [item.text for item in told] == ["api revision 2 image 1.9.0 (release 1.9.0)"]


def test_a_rollout_is_told_from_its_beginning() -> None:
    """Its last progress, or the deadline it missed, comes after the alert that it caused: the ReplicaSet made for it tells
    when it began. One that ran before a rollback is older than the rollout, and so may be one of Argo's: its last progress
    tells instead.
    """
    late = Condition("Progressing", "False", "ProgressDeadlineExceeded", updated_at=NOW - 10.0)
    api = Workload("n", "api", "u", "1", 1, 1, 3, 3, 3, 3, 3, False, 2, NOW - 9e5, conditions=(late,))
    old, new = Revision(1, "api-a", "u", NOW - 9e5, 3), Revision(2, "api-b", "u", NOW - 615.0, 1)
    for workload, current, began in (
        (api, new, NOW - 615.0),
        (api, replace(new, history=(1,)), NOW - 610.0),
        (replace(api, kind="Rollout"), new, NOW - 610.0),
    ):
        (told,) = recent_changes(Cluster("n", (workload,), (current, old)), (), (), now=NOW)
        assert (told.kind, told.at) == ("rollout", began)


def test_a_change_of_the_number_of_pods_is_told_with_both_numbers() -> None:
    """Scaled by hand or by an autoscaler, in one step or in several: from what to what."""
    api = Workload("n", "api", "u", "1", 1, 1, 5, 5, 5, 5, 5, False, 1, NOW - 9e5)
    events = tuple(
        ClusterEvent("n", "Deployment", "api", "Normal", "ScalingReplicaSet",
                     f"Scaled up replica set api-1 from {before} to {after}", NOW - ago)
        for before, after, ago in ((3, 4, 100), (4, 5, 90), (2, 3, 5000))
    )  # fmt: skip
    told = recent_changes(Cluster("n", (api,), events=events), (), (), now=NOW)
    assert [(item.kind, item.text) for item in told] == [("scaled", "api 3→5"), ("scaled", "api 2→3")]


def test_only_what_the_cluster_says_is_told() -> None:
    """A combined event holds the last of many messages, a repeated one its own, and up and down again is two changes: no number
    is made up from what lies between them.
    """
    api = Workload("n", "api", "u", "1", 1, 1, 4, 4, 4, 4, 4, False, 1, NOW - 9e5)
    told = {
        ((("Scaled up replica set api-1 from 4 to 6", 1, 100), ("Scaled down replica set api-1 from 6 to 4", 1, 90))): (
            "6→4",
            "4→6",
        ),
        (
            ("Scaled up replica set api-1 from 2 to 3", 1, 100),
            ("(combined from similar events): Scaled down replica set api-1 from 1 to 0", 12, 90),
        ): ("12 scalings, the last 1→0", "2→3"),
        (("Scaled up replica set api-1 from 2 to 3", 7, 100),): ("2→3 (7 times)",),
        (("Scaled up replica set api-1 from 2 to 3", 1, 100), ("Scaled up replica set api-1 from 5 to 6", 1, 90)): (
            "5→6",
            "2→3",
        ),
    }
    for messages, texts in told.items():
        events = tuple(
            ClusterEvent("n", "Deployment", "api", "Normal", "ScalingReplicaSet", message, NOW - ago, count)
            for message, count, ago in messages
        )
        found = recent_changes(Cluster("n", (api,), events=events), (), (), now=NOW)
        assert tuple(item.text.removeprefix("api ") for item in found) == texts


def test_who_took_a_change_back_stands_among_the_changes() -> None:
    """Of an action that was undone the sentence says by whom."""
    data = {"title": "Scale deployment/web to 8 replicas", "outcome": "undone", "text": "undone by HPA web within 9s: wants 4"}
    (change,) = recent_changes(None, (), (Event(NOW, "action.outcome", "r", "ann", data=data),), now=NOW)
    assert change.text == "Scale deployment/web to 8 replicas: undone by HPA web within 9s: wants 4"
