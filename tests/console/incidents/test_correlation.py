"""What changed in the hour before an incident: each source, each kind, the ends of the window, and what is the same change."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from screen_samples import snapshot

from console.incidents.correlation import Correlation, correlate
from console.journal.payloads import ActionOutcome, NoteWritten, Payload, create_event
from console.journal.recent_actions import LIMIT
from console.state.snapshot import Snapshot
from queries.errors import Unreachable
from queries.model.change import Change, LastWrite
from queries.model.cluster import Cluster, ClusterEvent
from queries.model.series import Labels, Point, Series
from queries.model.source import Health
from queries.model.workload import Container, Revision, Workload
from queries.prometheus.responses import RangeResult

AT = 1_767_276_000.0
START = AT - 3600.0
STEP = 15.0
"""Of a range query over the hour: 240 steps."""


POD = Series((("container", "steady"), ("image", "r/steady:1")), tuple((AT - STEP * back, 1.0) for back in range(240, -1, -1)))
"""kube-state-metrics were there all the time."""


@dataclass
class Ranges:
    """What Prometheus returns for a query that names this metric; `broken` is one that fails."""

    series: dict[str, tuple[Series, ...]] = field(default_factory=lambda: {"kube_pod_container_info": (POD,)})
    broken: str = "\0"
    asked: list[tuple[str, float, float, float]] = field(default_factory=list)

    async def query_range(self, text: str, *, start: float, end: float, step_seconds: float) -> RangeResult:
        self.asked.append((text, start, end, step_seconds))
        if self.broken in text:
            raise Unreachable("no connection")
        return RangeResult(next((found for name, found in self.series.items() if name in text), ()))


def series(points: dict[float, float], **labels: str) -> Series:
    """Points at these seconds after the start."""
    named: Labels = tuple(sorted(labels.items()))
    moments: tuple[Point, ...] = tuple((START + at, value) for at, value in points.items())
    return Series(named, moments)


def steady(first: float, last: float, value: float) -> dict[float, float]:
    return {first + STEP * at: value for at in range(int((last - first) / STEP) + 1)}


async def correlated(
    ranges: Ranges | None = None, *writes: LastWrite, shown: Snapshot | None = None, own: tuple[str, ...] = ()
) -> Correlation:
    async def config_maps() -> tuple[LastWrite, ...]:
        return writes

    bare = replace(snapshot(), cluster=Cluster("cad"), silences=(), alerts=(), namespace="cad", heartbeat_alert="Watchdog")
    return await correlate(
        shown or bare, at=AT, prometheus=ranges or Ranges(), config_maps=config_maps, own_alerts=own, seconds=3600.0
    )


async def texts(name: str, *found: Series, own: tuple[str, ...] = ()) -> list[tuple[float, str, str, str]]:
    changes = (await correlated(Ranges({name: found}), own=own)).changes
    return [(item.at - START, item.kind, item.subject, item.text) for item in changes]


async def test_the_queries_cover_the_hour_in_240_steps() -> None:
    """Six questions, each over the window; those about objects name the namespace, and select what changed in the window."""
    ranges = Ranges()
    found = await correlated(ranges)
    assert (found.start, found.end, found.changes, found.faults) == (START, AT, (), ())
    assert {(start, end, step) for _, start, end, step in ranges.asked} == {(START, AT, STEP)}
    queries = [text for text, *_ in ranges.asked]
    assert len(queries) == 6 and sum('namespace="cad"' in text for text in queries) == 5
    assert sum(bool(re.search(rf"changes\(.*\[3600s\] @ {AT:.3f}\)", text)) for text in queries) == 3
    assert not [text for text in queries if "$window" in text]


async def test_a_scaling_is_named_with_both_numbers() -> None:
    """Where the value changes, at the first point that has the new one; what it was at the start of the hour is no change."""
    points = {**steady(0, 600, 3.0), **steady(615, 3600, 5.0)}
    assert await texts("kube_deployment_spec_replicas", series(points, deployment="api")) == [
        (615.0, "scaled", "deployment/api", "api 3→5")
    ]
    assert await texts("desired_replicas", series(points, horizontalpodautoscaler="api")) == [
        (615.0, "hpa", "hpa/api", "HPA api desired 3→5")
    ]


ROOT_CA = series(steady(0, 3600, 1.0), configmap="kube-root-ca.crt")
"""A ConfigMap that every namespace has: the exporter answered all the time."""


async def test_a_series_that_begins_later_appeared() -> None:
    """One that was there within a step and a half of the start was there before; one that comes later is new."""
    name = "kube_configmap_metadata_resource_version"
    assert await texts(name, ROOT_CA, series(steady(15, 3600, 7.0), configmap="limits")) == []
    assert await texts(name, ROOT_CA, series({22.5: 7.0}, configmap="limits")) == []
    assert await texts(name, ROOT_CA, series({23.0: 7.0}, configmap="limits")) == [
        (23.0, "config", "configmap/limits", "ConfigMap limits appeared")
    ]
    assert await texts(name, series({**steady(0, 60, 7.0), **steady(75, 120, 8.0)}, configmap="limits")) == [
        (75.0, "config", "configmap/limits", "ConfigMap limits changed")
    ]
    assert await texts(name, ROOT_CA, series(steady(900, 3600, 7.0), configmap="cad-console-journal-ann")) == []


@pytest.mark.parametrize(("gap", "found"), [(22.5, []), (23.0, [(23.0, "appeared")])])
async def test_a_gap_longer_than_a_step_and_a_half_is_an_absence(gap: float, found: list[tuple[float, str]]) -> None:
    """A point that is exactly a step and a half late is late, not gone."""
    own, other = series({0.0: 1.0, gap: 1.0}, container="api", image="r/api:1"), steady(0, 3600, 1.0)
    changes = await texts("kube_pod_container_info", own, series(other, container="api", image="r/api:2"))
    assert [(at, text.rpartition(" ")[2]) for at, _, _, text in changes] == found


async def test_an_exporter_that_was_away_changed_nothing() -> None:
    """kube-state-metrics restarts, or begins late: what is the same before and after the hole is no change; what differs is."""

    def away(before: float, after: float, **labels: str) -> Series:
        return series({**steady(0, 600, before), **steady(690, 3600, after)}, **labels)

    version, image = "kube_configmap_metadata_resource_version", "kube_pod_container_info"
    assert await texts(version, away(7.0, 7.0, configmap="limits"), away(8.0, 9.0, configmap="rules")) == [
        (690.0, "config", "configmap/rules", "ConfigMap rules changed")
    ]
    assert await texts(version, away(7.0, 7.0, configmap="limits")) == []
    assert await texts(image, *(away(1.0, 1.0, container=name, image=f"r/{name}:1") for name in ("api", "web"))) == []
    late = [series(steady(900, 3600, 1.0), container=name, image=f"r/{name}:1") for name in ("api", "web")]
    assert await texts(image, *late) == []
    scaled = away(3.0, 10.0, deployment="api"), away(2.0, 2.0, deployment="web")
    assert await texts("kube_deployment_spec_replicas", *scaled) == [(690.0, "scaled", "deployment/api", "api 3→10")]
    assert await texts("restarts_total", away(1.0, 4.0, pod="api-1")) == [
        (690.0, "restart", "pod/api-1", "api-1 restarted (4 times so far)")
    ]
    assert await texts("desired_replicas", away(3.0, 5.0, horizontalpodautoscaler="api")) == [
        (690.0, "hpa", "hpa/api", "HPA api desired 3→5")
    ]


async def test_an_image_belongs_to_the_workload_that_runs_it() -> None:
    """A container is rarely named as its Deployment: the one workload with both is the subject, else the container is."""

    def running(name: str, uid: str, image: str) -> Workload:
        return Workload("n", name, uid, "1", 1, 1, 3, 3, 3, 3, 3, False, 2, START - 9e5,
                        containers=(Container("app", image),))  # fmt: skip

    api, web = running("api", "u", "registry.test/cad/app:2.1"), running("web", "v", "registry.test/cad/app:2.1")
    other = series(steady(0, 3600, 1.0), container="app", image="r.test/cad/app:2.0")
    new = series(steady(900, 3600, 1.0), container="app", image="r.test/cad/app:2.1")

    async def subjects(*workloads: Workload, revisions: tuple[Revision, ...] = ()) -> list[str]:
        cluster = Cluster("cad", workloads, revisions)
        shown = replace(snapshot(), cluster=cluster, silences=(), alerts=(), namespace="cad", heartbeat_alert="")
        found = await correlated(Ranges({"kube_pod_container_info": (other, new)}), shown=shown)
        return [item.subject for item in found.changes if item.kind == "deploy"]

    assert await subjects(api) == ["deployment/api"]
    assert await subjects(api, web) == await subjects(running("web", "v", "r/app:3")) == ["container/app"]
    before = Revision(1, "api-a", "u", START - 9e5, 0, containers=(Container("app", "r/app:2.1"),))
    assert await subjects(replace(api, containers=(Container("app", "r/app:2.2"),)), revisions=(before,)) == ["deployment/api"]


async def test_restarts_count_up_alone() -> None:
    """A counter that begins or falls is no restart; two restarts are two changes."""
    points = {**steady(0, 60, 1.0), **steady(75, 135, 2.0), **steady(150, 210, 4.0), **steady(225, 285, 0.0)}
    assert await texts("restarts_total", series(points, pod="api-1"), series(steady(900, 990, 3.0), pod="api-2")) == [
        (75.0, "restart", "pod/api-1", "api-1 restarted (2 times so far)"),
        (150.0, "restart", "pod/api-1", "api-1 restarted (4 times so far)"),
    ]


async def test_a_new_image_and_a_new_alert_appear() -> None:
    """An image without its registry; the incident's own alerts and the watchdog are no causes."""
    image = series(steady(900, 990, 1.0), container="api", image="registry.test/cad/api:2.1")
    old = series(steady(0, 900, 1.0), container="api", image="registry.test/cad/api:2.0")
    assert await texts("kube_pod_container_info", old, image) == [
        (900.0, "deploy", "container/api", "api image api:2.1 appeared")
    ]
    names = ("DiskFull", "HighErrorRate", "Watchdog", "NodeDown")
    fired = [series({**steady(900, 990, 1.0), 1005.0: 2.0}, alertname=name) for name in names]
    assert await texts("ALERTS", *fired, own=("HighErrorRate",)) == [
        (900.0, "alert", "alert/DiskFull", "DiskFull started firing"),
        (900.0, "alert", "alert/NodeDown", "NodeDown started firing"),
    ]


async def test_writes_of_config_maps_within_the_window() -> None:
    """Both ends belong to it; what consoles write for themselves does not."""
    writes = [LastWrite("first", START, "helm"), LastWrite("last", AT), LastWrite("early", START - 0.1)]
    writes += [LastWrite("late", AT + 0.1), LastWrite("cad-console-journal", AT - 5)]
    found = await correlated(None, *writes)
    assert found.changes == (
        Change(START, "config", "configmap/first", "ConfigMap first written", "helm"),
        Change(AT, "config", "configmap/last", "ConfigMap last written"),
    )


async def test_events_of_the_cluster_within_the_window() -> None:
    """Rescales, and problems of pods; other events and other kinds are none. Both ends belong to the window."""

    def event(at: float, kind: str, name: str, reason: str) -> ClusterEvent:
        return ClusterEvent("cad", kind, name, "Normal", reason, "as it says", at)

    events = (
        event(START, "HorizontalPodAutoscaler", "api", "SuccessfulRescale"),
        event(AT, "Pod", "api-1", "OOMKilling"),
        event(AT - 10, "Pod", "api-2", "Pulled"),
        event(AT - 10, "Job", "nightly", "BackOff"),
        event(START - 0.1, "Pod", "api-3", "OOMKilling"),
        event(AT + 0.1, "Pod", "api-4", "OOMKilling"),
    )
    shown = replace(snapshot(), cluster=Cluster("cad", events=events), silences=(), alerts=())
    assert (await correlated(shown=shown)).changes == (
        Change(START, "hpa", "hpa/api", "HPA api: as it says"),
        Change(AT, "restart", "pod/api-1", "api-1 OOMKilling: as it says"),
    )


@pytest.mark.parametrize(("apart", "count"), [(180.0, 1), (180.1, 2)])
async def test_what_the_cluster_reports_is_not_listed_twice(apart: float, count: int) -> None:
    """One subject and kind no more than three minutes apart is one change; the cluster's own account stays."""
    event = ClusterEvent(
        "cad", "HorizontalPodAutoscaler", "api", "Normal", "SuccessfulRescale", "New size: 5", START + 615 + apart
    )
    shown = replace(snapshot(), cluster=Cluster("cad", events=(event,)), silences=(), alerts=())
    points = {**steady(0, 600, 3.0), **steady(615, 3600, 5.0)}
    other = series(points, horizontalpodautoscaler="web")
    ranges = Ranges({"desired_replicas": (series(points, horizontalpodautoscaler="api"), other)})
    found = (await correlated(ranges, shown=shown)).changes
    assert sum(item.subject == "hpa/api" for item in found) == count
    assert [item.text for item in found if item.subject == "hpa/web"] == ["HPA web desired 3→5"]
    assert "HPA api: New size: 5" in {item.text for item in found}


async def test_sources_that_do_not_answer_are_named() -> None:
    """A query that fails names its kind, the others still count; sources that are not there say so."""
    points = {**steady(0, 600, 3.0), **steady(615, 3600, 5.0)}
    ranges = Ranges({**Ranges().series, "spec_replicas": (series(points, deployment="api"),)}, broken="ALERTS")
    found = await correlated(ranges)
    assert len(found.changes) == 1
    (fault,) = found.faults
    assert fault.startswith("alert from Prometheus: ") and "no connection" in fault

    async def broken() -> tuple[LastWrite, ...]:
        raise Unreachable("refused")

    bare = replace(snapshot(), cluster=None, silences=(), alerts=())
    nothing = await correlate(bare, at=AT, prometheus=None, config_maps=None)
    assert nothing.faults == (
        "Kubernetes: the cluster has not answered",
        "ConfigMaps: Kubernetes is not configured",
        "kube-state metrics and other alerts: Prometheus is not configured",
    )
    failed = await correlate(bare, at=AT, prometheus=None, config_maps=broken)
    assert failed.faults[1].startswith("ConfigMaps: ") and "refused" in failed.faults[1]


async def test_what_a_lost_cluster_and_an_unread_journal_may_lack_is_named() -> None:
    """Lost before the end of the hour, the cluster cannot tell all of it; one that answered later, or answers, can. So it is
    with a journal that is being read.
    """
    base = replace(snapshot(), cluster=Cluster("cad"), silences=(), alerts=(), namespace="cad", heartbeat_alert="Watchdog")

    async def faults(**changes: Any) -> tuple[str, ...]:
        sources = tuple(replace(item, **changes) if item.name == "kubernetes" else item for item in base.sources)
        return (await correlated(shown=replace(base, sources=sources))).faults

    lost = await faults(health=Health.DOWN, last_good_at=AT - 600.0)
    assert lost == ("Kubernetes: the cluster last answered at 2026-01-01 13:50:00Z",)
    assert await faults(health=Health.DOWN, last_good_at=AT) == ()
    assert await faults(health=Health.UP, last_good_at=AT - 600.0) == ()
    assert (await faults(health=Health.UP, paused_at=AT - 300.0, last_good_at=AT - 600.0)) == lost
    reading = replace(base, ledger=replace(base.ledger, read=5, behind=10))
    (found,) = (await correlated(shown=reading)).faults
    assert found == f"actions and notes: {reading.ledger.error}" and "5 of 15 events" in found


async def test_without_kube_state_metrics_no_change_is_not_nothing() -> None:
    """Many platforms do not scrape them: then nobody keeps for longer than an hour who scaled what, and what restarted."""
    found = await correlated(Ranges({}))
    (fault,) = found.faults
    assert found.changes == () and fault.startswith("kube-state metrics: Prometheus has none for that hour")


@pytest.mark.parametrize(("count", "oldest", "known"), [(LIMIT, 1.0, False), (LIMIT, 0.0, True), (LIMIT - 1, 1.0, True)])
@pytest.mark.parametrize(("payload", "name"), [(ActionOutcome(outcome="done"), "actions"), (NoteWritten("x"), "notes")])
async def test_what_newer_actions_pushed_out_is_named(
    payload: Payload, name: str, count: int, oldest: float, known: bool
) -> None:
    """The report of an incident of weeks ago: the state holds the newest actions and notes, none of which is of that hour."""
    events = tuple(create_event(payload, at=START + oldest + 600.0 * at, subject=str(at), author="ann") for at in range(count))
    base = replace(snapshot(), cluster=Cluster("cad"), silences=(), alerts=(), namespace="cad", heartbeat_alert="Watchdog")
    faults = (await correlated(shown=replace(base, ledger=replace(base.ledger, recent=events)))).faults
    if known:
        assert faults == ()
    else:
        assert faults == (f"{name}: the console holds only the newest {LIMIT}, back to 2026-01-01 13:00:01Z",)


@pytest.mark.parametrize("count", [49, 50])
async def test_more_changes_of_a_kind_than_are_kept_are_named(count: int) -> None:
    """Within the hour before an incident somebody made fifty changes or more: the list of them may not be whole."""
    events = tuple(
        create_event(ActionOutcome(outcome="done"), at=START + 60.0 + at, subject=str(at), author="ann") for at in range(count)
    )
    base = replace(snapshot(), cluster=Cluster("cad"), silences=(), alerts=(), namespace="cad", heartbeat_alert="Watchdog")
    found = await correlated(shown=replace(base, ledger=replace(base.ledger, recent=events)))
    sentence = "the console keeps only the newest 50 changes of each kind (action)"
    assert len(found.changes) == count and found.faults == ((sentence,) if count == 50 else ())
