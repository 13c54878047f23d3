"""Sorting by a column is by what its cells mean, not by their letters: times, shares, bytes; unknown values are last."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

from screen_samples import NOW, cluster, snapshot
from textual.pilot import Pilot

from console.objects.nodes import NodesReading
from console.objects.reading import Part
from console.screens.incidents import IncidentsScreen
from console.screens.nodes import NodesScreen
from console.state.checklist_runs import ChecklistRun, ChecklistRuns, Signature
from console.state.incident import Incident, Incidents
from console.state.journal_state import JournalState
from queries.model.cluster import Cluster
from queries.model.object_page import Node, NodePod, Resources, VolumeClaim, VolumeUse
from queries.model.pod import Pod, PodUsage
from queries.model.severity import Priority
from queries.model.workload import Container, RequestsAndLimits, Workload
from widgets.table import Arrangement, Table

DAY = 86_400.0


async def sort_both_ways(scene: Any, pilot: Pilot[None], table: str, column: str) -> tuple[list[str], list[str]]:
    """The keys of the rows, in ascending and in descending order."""
    found: Table[Any] = scene.app.screen.query_one(table, Table)
    orders = []
    for descending in (False, True):
        found.rearrange(Arrangement(column, descending))
        await pilot.pause()
        orders.append([str(getattr(item, "id", "") or getattr(item, "name", "")) for item in found.items])
    return orders[0], orders[1]


async def test_incidents_and_checklist_runs_by_time(stage: Callable[..., Any]) -> None:
    """22 November is before 30 December, and Saturday may be before Monday; a checklist that nobody signed is last."""
    days = {"a": 40.0, "b": 2.0, "c": 10.0, "d": 0.04}  # 22 Nov, 30 Dec, 22 Dec, 13:05
    incidents = tuple(
        Incident(name, number, name, Priority.P2, NOW - age * DAY, "ann", closed_at=NOW)
        for number, (name, age) in enumerate(days.items(), 1)
    )
    ages = {"fri": 6.0, "sat": 5.0, "mon": 3.0, "wed": 1.0}

    def run(checklist: str, name: str, age: float) -> ChecklistRun:
        return ChecklistRun(name, checklist, NOW - age * DAY, "ann", signatures=(Signature("ann", "ann", NOW - age * DAY),))

    walks = ChecklistRuns(
        (
            ("morning", tuple(run("morning", name, age) for name, age in ages.items())),
            ("end-of-day", (run("end-of-day", "h", 3.0),)),
        )
    )
    scene = stage(snapshot(ledger=JournalState(incidents=Incidents(incidents), checklist_runs=walks)))
    async with scene.app.run_test(size=(120, 40)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        scene.app.push_screen(IncidentsScreen())
        await scene.until(pilot, "commander")
        assert await sort_both_ways(scene, pilot, "#incidents", "started") == (["a", "c", "b", "d"], ["d", "b", "c", "a"])
        await scene.press(pilot, "8")
        await scene.until(pilot, "last signed")
        scene.app.screen.query_one("#checklists", Table).move_to("morning")
        await pilot.pause()
        chronological = [*ages]
        assert await sort_both_ways(scene, pilot, "#past-walks", "started") == (chronological, chronological[::-1])
        up, down = await sort_both_ways(scene, pilot, "#checklists", "last signed")
        assert (up[:2], down[:2]) == (["end-of-day", "morning"], ["morning", "end-of-day"]) and len(up) > 2


async def test_workloads_by_usage(stage: Callable[..., Any]) -> None:
    """CPU and memory by the share that the bar shows, whether of the limit or of the request; unknown usage is last."""
    limits = RequestsAndLimits(cpu_request=0.5, cpu_limit=1.0, memory_request=1 << 20, memory_limit=2 << 20)
    uses = {"low": 0.02, "over": 12.0, "half": 0.5, "unseen": None}
    base = cluster().workloads[0]
    workloads = tuple(
        Workload(
            "n", name, f"u-{name}", "1", 1, 1, 1, 1, 1, 1, 1, False, 1, NOW, selector=(("app", name),),
            labels=base.labels, containers=(Container("c", "i:1", resources=limits),),
        )
        for name in uses
    )  # fmt: skip
    pods = tuple(Pod("n", f"{name}-1", name, "Running", True, 0, NOW, labels=(("app", name),)) for name in uses)
    state = Cluster("n", workloads, (), pods)
    scene = stage(snapshot(cluster=state))

    async def pod_usage() -> tuple[PodUsage, ...]:
        return tuple(PodUsage("n", f"{name}-1", used, int(used * 1e6)) for name, used in uses.items() if used is not None)

    scene.session.pod_usage = pod_usage
    async with scene.app.run_test(size=(170, 40)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "3")
        table = scene.app.screen.query_one("#workload-list", Table)
        table.rearrange(Arrangement("CPU", True))  # before the usage is known: its arrival sorts the rows again
        await scene.until(pilot, "999%")
        assert [item.workload.name for item in table.items] == ["over", "half", "low", "unseen"]
        for column in ("CPU", "memory"):
            table.rearrange(Arrangement(column))
            await pilot.pause()
            assert [item.workload.name for item in table.items] == ["low", "half", "over", "unseen"]


async def test_nodes_and_volumes_by_size(stage: Callable[..., Any]) -> None:
    """512Mi is less than 2Gi and 9 pods fewer than 10, also where pods arrive after the nodes; what is not known is last."""
    whole = {"big": Resources(8.0, 64 * 2**30, 110), "small": Resources(1.0, 2**30, 110), "odd": Resources()}
    nodes = tuple(Node(name, ready="True", allocatable=each) for name, each in whole.items())
    pods = (
        *(NodePod("n", f"b{at}", "big", "Running", Resources(0.2, 2**28)) for at in range(10)),
        *(NodePod("n", f"s{at}", "small", "Running", Resources(0.1, 2**26)) for at in range(9)),
    )
    claims = tuple(VolumeClaim(name, "Bound") for name in ("half", "full", "unknown", "empty"))
    use = {
        "half": VolumeUse(used_bytes=512 * 2**30, capacity_bytes=2**40, inodes_used=500, inodes=1000),
        "full": VolumeUse(used_bytes=2**30, capacity_bytes=2**30, inodes_used=90, inodes=1000),
        "empty": VolumeUse(used_bytes=0, capacity_bytes=2**40, inodes_used=1000, inodes=1000),
    }

    async def read() -> AsyncIterator[NodesReading]:
        early = NodesReading("n", NOW, nodes=Part(nodes), everywhere=False)
        yield early
        yield NodesReading("n", NOW, early.nodes, Part(pods), False, Part(claims), Part(use))

    scene = stage()
    scene.session.objects = SimpleNamespace(nodes=read)
    async with scene.app.run_test(size=(140, 40)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        scene.app.push_screen(NodesScreen())
        await scene.until(pilot, "≥10 of 110")
        for column in ("CPU requests", "memory requests"):
            assert await sort_both_ways(scene, pilot, "#nodes", column) == (["big", "small", "odd"], ["small", "big", "odd"])
        assert await sort_both_ways(scene, pilot, "#nodes", "pods") == (["odd", "small", "big"], ["big", "small", "odd"])
        by_use, by_inodes = ["empty", "half", "full", "unknown"], ["full", "half", "empty", "unknown"]
        assert await sort_both_ways(scene, pilot, "#claims", "used") == (by_use, [*by_use[2::-1], "unknown"])
        assert await sort_both_ways(scene, pilot, "#claims", "inodes") == (by_inodes, [*by_inodes[2::-1], "unknown"])
