"""The rows of the workloads screen: order, filter, and what each column says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from console.checks.workloads import assess_workloads
from console.screens.workload_rows import COLUMNS, SORTS, USAGE_WIDTH, PodUsages, RowFacts, select_rows
from queries.model.cluster import Cluster, KindFault
from queries.model.pod import Pod, PodUsage
from queries.model.replica_limits import Autoscaler, DisruptionBudget
from queries.model.workload import BatchJob, Container, RequestsAndLimits, Revision, Workload, sum_resources
from widgets.column_widths import arrange as arrange_columns
from widgets.styled_text import Span

NOW = 1_800_000_000.0
LIMITS = RequestsAndLimits(cpu_request=0.25, cpu_limit=1.0, memory_request=256 << 20, memory_limit=512 << 20)
API = Workload(
    "n", "api", "d", "1", 1, 1, 2, 2, 2, 2, 2, False, 4, NOW - 900, selector=(("app", "api"),), labels=(("team", "blue"),),
    containers=(Container("c", "r/api:1.9", resources=LIMITS),), managed_by="Argo CD application shop",
)  # fmt: skip
STORE = replace(
    API, name="store", uid="s", kind="StatefulSet", ready=0, revision=0, created_at=NOW - 100, labels=(("team", "red"),),
    selector=(("app", "store"),), containers=(Container("c", "r/redis:7", resources=RequestsAndLimits(cpu_request=0.5)),),
    managed_by="",
)  # fmt: skip
CRON = replace(
    API, name="nightly", uid="c", kind="CronJob", batch=BatchJob("CronJob", "nightly", "10 3 * * *", succeeded_at=NOW - 7200)
)
LOAD = replace(API, name="load", uid="j", kind="Job", batch=BatchJob("Job", "load", completions=3, succeeded=1, active=2))
PODS = (
    Pod("n", "api-1", "p1", "Running", True, 1, NOW, labels=(("app", "api"),), owner_uid="rs"),
    Pod("n", "api-2", "p2", "Running", True, 0, NOW, labels=(("app", "api"),), owner_uid="rs"),
    Pod("n", "store-0", "p3", "Running", False, 9, NOW, "CrashLoopBackOff", owner_uid="s", message="back-off 5m0s",
        last_exit="OOMKilled, exit code 137"),
)  # fmt: skip
SCALER = Autoscaler("n", "api", "Deployment", "api", 2, 6, 6, 6)
UNKNOWN = PodUsages()
BUDGET = DisruptionBudget("n", "api", (("app", "api"),), 0)
CLUSTER = Cluster(
    "n", (API, LOAD, CRON, STORE), (Revision(4, "api-rs", "d", NOW - 60, 2, uid="rs"),), PODS, (SCALER,), (BUDGET,)
)


def names(words: str = "", sort: str = SORTS[0], cluster: Cluster = CLUSTER) -> list[str]:
    return [item.workload.name for item in select_rows(assess_workloads(cluster, now=NOW), RowFacts(cluster), words, sort)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", ["store", "api", "load", "nightly"]),
        ("sts", ["store"]),
        ("deployment/api", ["api"]),
        ("team=blue api:1.9", ["api", "load", "nightly"]),
        ("redis", ["store"]),
        ("crit", ["store"]),
        ("OK argo api", ["api", "load", "nightly"]),
        ("stale", []),
        ("nothing", []),
    ],
)
def test_the_filter_takes_name_kind_state_label_and_image(words: str, expected: list[str]) -> None:
    """All words must fit; the word of a state is the state, not a part of some name."""
    assert names(words) == expected


def test_the_orders() -> None:
    """The worst first, by name, most restarts, newest first."""
    assert [names(sort=sort)[0] for sort in SORTS] == ["store", "api", "store", "store"]
    assert names(sort="by name") == ["api", "load", "nightly", "store"]
    assert names(sort="most restarts")[:2] == ["store", "api"]


def cells(name: str, cluster: Cluster = CLUSTER, usage: PodUsages = UNKNOWN, stale: str = "") -> dict[str, Span]:
    (found,) = (item for item in assess_workloads(cluster, now=NOW) if item.workload.name == name)
    row = RowFacts(cluster).cells(found, now=NOW, stale_word=stale, usage=usage)
    assert len(row) == len(COLUMNS)
    return {column.title: cell for column, cell in zip(COLUMNS, row, strict=True)}


def test_a_row_says_why_its_workload_is_not_well() -> None:
    """The worst pod's reason with exit code and message, restarts of all its containers, the HPA at its limit, a budget that
    permits no eviction, and the owner."""
    row = cells("store")
    assert (row["kind"][0], row["ready"][0], row["restarts"]) == ("sts", "0/2", ("9", "warn"))
    assert row["why"][0] == "0 of 2 pods ready; CrashLoopBackOff: OOMKilled, exit code 137: back-off 5m0s"
    assert cells("api")["HPA, PDB"] == ("2–6 at max · PDB 0", "warn")
    below = replace(CLUSTER, autoscalers=(replace(SCALER, desired=5),), budgets=(replace(BUDGET, allowed=1),))
    assert cells("api", below)["HPA, PDB"] == ("2–6", "dim")
    other = replace(CLUSTER, autoscalers=(replace(SCALER, target_kind="StatefulSet"),), budgets=())
    assert cells("api", other)["HPA, PDB"] == ("-", "dim"), "of another kind with the same name"
    assert (cells("api")["owner"][0], cells("store")["owner"][0]) == ("Argo CD application shop", "-")


def test_the_reason_of_a_row_is_not_that_of_a_pod_that_was_replaced() -> None:
    """An evicted pod of last week stands for nothing: the one that cannot start now does."""
    (api,) = (item for item in CLUSTER.workloads if item.name == "api")
    made = Pod("n", "api-1", "u1", "Pending", False, 0, NOW, "ImagePullBackOff", labels=api.selector)
    old = Pod("n", "api-0", "u0", "Failed", False, 0, NOW - 600_000, "Evicted", labels=api.selector)
    shown = replace(CLUSTER, workloads=(replace(api, ready=5, desired=6),), pods=(old, made))
    assert cells("api", shown)["why"][0].endswith("; ImagePullBackOff")
    assert "Evicted" not in cells("api", replace(shown, pods=(old,)))["why"][0]


def test_a_job_counts_completions_and_a_cron_job_says_its_schedule() -> None:
    """Their pods are not meant to stay ready."""
    assert (cells("load")["ready"], cells("nightly")["ready"][0]) == (("1/3", ""), "-")
    assert cells("nightly")["why"][0] == "10 3 * * *, succeeded 2h ago"


def test_what_is_not_known_is_not_zero() -> None:
    """Without the right to list pods there are no restarts to count; a kind whose watch fails says STALE and why."""
    hidden = replace(CLUSTER, pods=(), faults=(KindFault("pods", "no", forbidden=True),))
    assert cells("api", hidden)["restarts"][0] == "-"
    stale = replace(CLUSTER, faults=(KindFault("statefulsets", "unhealthy (500)"),))
    row = cells("store", stale)
    assert (row[""], row["why"]) == (("STALE", "unknown"), ("statefulsets: unhealthy (500)", "unknown"))
    assert cells("api", stale)[""][0] == "ok" and cells("api", stale="STALE")[""] == ("STALE", "unknown")


@pytest.mark.parametrize(
    ("used", "cpu", "memory"),
    [
        ((0.2, 0.6), ("██░░░  40%", ""), ("██░░░  50%", "")),
        ((0.9, 0.9), ("████░  90%", "warn"), ("██░░░  50%", "")),
        ((0.0, 30.0), ("█████ 999%", "warn"), ("██░░░  50%", "")),
    ],
)
def test_bars_show_the_use_of_the_limits_of_all_pods(
    used: tuple[float, float], cpu: tuple[str, str], memory: tuple[str, str]
) -> None:
    """Of those pods whose usage is known; near the limit it warns."""
    usage = PodUsages({f"api-{at}": PodUsage("n", f"api-{at}", cores, 256 << 20) for at, cores in enumerate(used, 1)})
    row = cells("api", usage=usage)
    assert (row["CPU"], row["memory"]) == (cpu, memory)


def test_without_a_limit_the_request_counts_and_without_both_the_figure() -> None:
    """`r` tells a share of the request, which may be exceeded, from one of the limit."""
    row = cells("store", usage=PodUsages({"store-0": PodUsage("n", "store-0", 0.75, 64 << 20)}))
    assert (row["CPU"], row["memory"]) == (("█████ 150%r", ""), ("64 MiB", ""))
    assert cells("load", usage=PodUsages({"x": PodUsage("n", "x", 1.0, 1)}))["CPU"][0] == "-"


@pytest.mark.parametrize("word", ["NO DATA", "DENIED"])
def test_unknown_usage_has_a_word(word: str) -> None:
    """A cluster without metrics.k8s.io and a missing right look different, and neither like zero."""
    assert cells("api", usage=PodUsages(word=word))["CPU"] == (word, "unknown")


def test_what_a_pod_requests() -> None:
    """The containers that run together add up, sidecars too; an init container that ends does not; one without a limit leaves
    the pod without one."""
    one, init = Container("a", "i", resources=LIMITS), Container("i", "i", resources=LIMITS, starts_first=True)
    assert sum_resources((one, init)) == LIMITS
    assert sum_resources((one, one)).cpu_limit == 2.0
    assert sum_resources((one, Container("b", "i", resources=RequestsAndLimits(cpu_request=1.0)))) == RequestsAndLimits(
        1.25, 0.0, 256 << 20, 0.0
    )
    assert sum_resources(()) == RequestsAndLimits()


@pytest.mark.parametrize(
    ("width", "shown"), [(78, "state kind workload ready restarts rollout why"), (118, "why by"), (USAGE_WIDTH - 2, "CPU")]
)
def test_the_columns_fit_the_width(width: int, shown: str) -> None:
    """At 80 columns why a workload is not well is still there, at 120 who rolled it out; CPU
    appears at the width from which its usage is asked for.
    """
    titles = {COLUMNS[at].title or "state": size for at, size in arrange_columns(COLUMNS, width)}
    assert set(shown.split()) <= set(titles) and sum(titles.values()) + len(titles) <= width
    assert "CPU" not in {COLUMNS[at].title for at, _ in arrange_columns(COLUMNS, USAGE_WIDTH - 3)}


def test_the_list_says_by_whom() -> None:
    """The field manager of the pod template, or the person whose console wrote it; `-` where nobody tells."""
    assert cells("store")["by"][0] == "-"
    cluster = replace(CLUSTER, workloads=(replace(API, written_by="kubectl-set"), replace(STORE, written_by="cad-console")))
    assert cells("api", cluster)["by"][0] == "kubectl-set"
    (found,) = (item for item in assess_workloads(cluster, now=NOW) if item.workload.name == "store")
    row = RowFacts(cluster, {"statefulset/store": ((0.0, 0.0, "ann@vm"),)}).cells(found, now=NOW, stale_word="", usage=UNKNOWN)
    assert row[[column.title for column in COLUMNS].index("by")][0] == "ann@vm"
