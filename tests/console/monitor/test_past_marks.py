"""The marks of rollouts: from the series of kube-state-metrics, with the images that the cluster still knows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from told_platform import told_platform

from console.journal.payloads import AlertAcknowledged, IncidentDeclared, NoteWritten, create_event
from console.journal.sqlite import Journal
from console.monitor.past_marks import read_marks
from console.state.place import Place
from console.state.snapshot import Snapshot
from queries.http.endpoint import Endpoint
from queries.model.alert import AlertRule
from queries.model.cluster import Cluster
from queries.model.workload import Container, Revision, Workload
from queries.prometheus.client import Prometheus

BEGAN = 1_800_000_000.0
SERIES = [
    ({"__name__": "kube_deployment_created", "namespace": "shop", "deployment": "api"}, str(BEGAN - 9e5)),
    *(
        each
        for name, at in (("api-old", BEGAN - 9e5), ("api-new", BEGAN + 60.0), ("api-gone", BEGAN + 30.0))
        for each in (
            ({"__name__": "kube_replicaset_created", "namespace": "shop", "replicaset": name}, str(at)),
            (
                {
                    "__name__": "kube_replicaset_owner",
                    "namespace": "shop",
                    "replicaset": name,
                    "owner_kind": "Deployment",
                    "owner_name": "api",
                },
                "1",
            ),
        )
    ),
]
CLUSTER = Cluster(
    "shop",
    (Workload("shop", "api", "u", "1", 1, 1, 3, 3, 3, 3, 3, False, 2, BEGAN - 9e5),),
    (Revision(2, "api-new", "u", BEGAN + 60.0, 3, containers=(Container("api", "registry/api:1.9.0"),)),),
)
NEW = (BEGAN + 60.0, "api: api:1.9.0")


@pytest.mark.parametrize(
    ("series", "cluster", "expected"),
    [
        (SERIES, CLUSTER, [(BEGAN + 30.0, "api: ReplicaSet api-gone"), NEW]),
        (SERIES, None, [(BEGAN + 30.0, "api: ReplicaSet api-gone"), (BEGAN + 60.0, "api: ReplicaSet api-new")]),
        ([], CLUSTER, [NEW]),
        ([], None, []),
    ],
)
async def test_a_rollout_has_its_image(
    series: list[tuple[dict[str, str], str]], cluster: Cluster | None, expected: list[tuple[float, str]]
) -> None:
    """Where the cluster still keeps the ReplicaSet; else its name stands there. The first one of a Deployment is no rollout."""
    snapshot = Snapshot("test", "shop", False, False, "ann", BEGAN)
    with told_platform(vector=lambda query: series if "kube_replicaset" in query else []) as told:
        prometheus = Prometheus(Endpoint(told.url))
        try:
            marks = await read_marks(
                prometheus,
                None,
                snapshot,
                cluster=cluster,
                heartbeat="",
                environments=("",),
                start=BEGAN - 3600.0,
                end=BEGAN + 3600.0,
            )
        finally:
            await prometheus.close()
    assert not marks.missing
    assert [(mark.at, mark.text) for mark in marks.marks if mark.letter == "R"] == expected


async def test_a_rollout_of_another_cluster_is_no_mark() -> None:
    """Where Prometheus has the series of several."""
    snapshot = Snapshot("test", "shop", False, False, "ann", BEGAN)
    renamed = {"api-new": "api-elsewhere"}
    other = [({**{key: renamed.get(text, text) for key, text in labels.items()}, "cluster": "us"}, at) for labels, at in SERIES]
    own = [({**labels, "cluster": "eu"}, at) for labels, at in SERIES if labels.get("replicaset") != "api-gone"]
    with told_platform(vector=lambda query: [*other, *own] if "kube_replicaset" in query else []) as told:
        prometheus = Prometheus(Endpoint(told.url))
        try:
            marks = await read_marks(
                prometheus, None, snapshot, cluster=None, heartbeat="", environments=("",), start=BEGAN - 3600.0,
                end=BEGAN + 3600.0, place=Place("test", "shop", cluster="eu"),
            )  # fmt: skip
        finally:
            await prometheus.close()
    assert [mark.text for mark in marks.marks if mark.letter == "R"] == ["api: ReplicaSet api-new"]


START = BEGAN - 3600.0
RULE = AlertRule("Slow", "latency > 5", 300.0, (), (), "firing", "ok")


def _series(name: str, times: list[float], value: float = 1.0, **labels: str) -> dict[str, Any]:
    return {"metric": {"__name__": name, "alertname": "Slow", **labels}, "values": [[at, str(value)] for at in times]}


@pytest.mark.parametrize(
    ("since", "pending", "firing", "expected"),
    [
        # A hole of 20 minutes in an alert that has fired for two hours: it did not begin at the hole's end.
        (START - 3600.0, [], [(0, 20), (100, 120)], []),
        # A hole at the beginning of the window.
        (START - 3600.0, [], [(80, 120)], []),
        # It was over, and its expression is true again since the hole.
        (START + 450.0, [], [(0, 20), (100, 120)], [START + 1500.0]),
        # It was pending before.
        (START + 880.0, [(59, 79)], [(79, 120)], [START + 1181.0]),
        # Pending since before the window, of a rule whose `for` was longer then.
        (START - 3600.0, [(0, 80)], [(80, 120)], [START + 1200.0]),
        # Nothing tells since when: its first point counts.
        (None, [], [(0, 20), (100, 120)], [START + 1500.0]),
    ],
)
async def test_an_alert_that_fired_all_along_does_not_begin_after_a_hole(
    since: float | None, pending: list[tuple[int, int]], firing: list[tuple[int, int]], expected: list[float]
) -> None:
    """Where Prometheus says that the alert's expression was true before its last point, or that it fired before the window."""

    def at(spans: list[tuple[int, int]]) -> list[float]:
        return [START + 15.0 * number for first, end in spans for number in range(first, end)]

    ranges = [_series("ALERTS", at(pending), alertstate="pending"), _series("ALERTS", at(firing), alertstate="firing")]
    if since is not None:
        ranges.append(_series("ALERTS_FOR_STATE", at([*pending, *firing]), since))
    snapshot = replace(Snapshot("test", "shop", False, False, "ann", BEGAN), rules=(RULE,))
    with told_platform(ranges=lambda _query: ranges) as told:
        prometheus = Prometheus(Endpoint(told.url))
        try:
            marks = await read_marks(
                prometheus, None, snapshot, cluster=None, heartbeat="", environments=("",), start=START, end=BEGAN
            )
        finally:
            await prometheus.close()
    assert [mark.at for mark in marks.marks] == expected


async def test_a_source_that_does_not_answer_is_named(tmp_path: Path) -> None:
    """Its marks are missing, which is not the same as none; those of the others are there."""
    snapshot = Snapshot("test", "shop", False, False, "ann", BEGAN)
    with Journal.open(tmp_path / "j") as journal:
        note = create_event(NoteWritten("seen"), at=BEGAN - 60.0, subject="note", author="ann", environment="test")
        journal.append(note)
        prometheus = Prometheus(Endpoint("http://127.0.0.1:9", timeout_seconds=1.0))
        try:
            marks = await read_marks(
                prometheus, journal, snapshot, cluster=None, heartbeat="", environments=("test",), start=START, end=BEGAN
            )
        finally:
            await prometheus.close()
    assert marks.missing == "Prometheus" and [mark.text for mark in marks.marks] == ["seen"]


async def test_another_environment_of_the_journal_has_marks_of_its_own(tmp_path: Path) -> None:
    """One journal file has the events of every environment; and more notes than one page of a search push out none."""
    snapshot = Snapshot("test", "shop", False, False, "ann", BEGAN)
    with Journal.open(tmp_path / "j") as journal:
        for number in range(210):
            declared = IncidentDeclared(f"incident {number}", "P1")
            event = create_event(
                declared,
                at=START + 60.0 + number,
                subject=f"i{number}",
                author="ann",
                environment="test" if number % 7 else "x",
            )
            journal.append(event)
        for number in range(210):
            acknowledged = AlertAcknowledged(name=f"alert {number}")
            event = create_event(
                acknowledged, at=START + 600.0 + number, subject=f"a{number}", author="ann", environment="test"
            )
            journal.append(event)
        marks = await read_marks(
            None, journal, snapshot, cluster=None, heartbeat="", environments=("", "test"), start=START, end=BEGAN
        )
    assert not marks.missing
    assert [mark.text for mark in marks.marks if mark.kind == "incident"] == [
        f"incident {number}" for number in range(210) if number % 7
    ]
    assert len([mark for mark in marks.marks if mark.kind == "acknowledged"]) == 210
