"""The rows of the workloads screen: which are shown, in which order, and what each column says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field

from console.checks.workloads import WorkloadVerdict
from console.state.revisions import NO_AUTHORS, Authors, name_rollout_author
from queries.model.cluster import Cluster
from queries.model.frozen import dataclass
from queries.model.pod import Pod, PodUsage
from queries.model.rollout import RolloutPhase, rollout_status
from queries.model.verdict import Verdict
from queries.model.workload import Workload, sum_resources
from queries.text.durations import format_age
from widgets.column_widths import Column
from widgets.styled_text import VERDICT_TONES, Span, text

SORTS = ("worst first", "by name", "most restarts", "newest first")
COLUMNS = (
    Column("", 5, name="state", key=lambda item: -item.verdict.rank),
    Column("kind", 6, key=lambda item: item.workload.short_kind),
    Column("workload", 20, flex=4, key=lambda item: item.workload.name),
    Column("ready", 7, right=True, key=lambda item: item.workload.ready / max(1, item.workload.desired)),
    Column("restarts", 8, right=True),
    Column("rollout", 7, right=True, rank=1),
    Column("by", 8, flex=1, rank=4),
    Column("why", 18, flex=6),
    Column("HPA, PDB", 14, rank=2),
    Column("image", 15, flex=1, rank=3, key=lambda item: [image_name(each.image) for each in item.workload.containers]),
    Column("rev", 4, right=True, rank=8, key=lambda item: item.workload.revision),
    Column("owner", 12, flex=1, rank=5, key=lambda item: item.workload.managed_by or item.workload.owner),
    Column("CPU", 11, rank=6),
    Column("memory", 11, rank=7),
)
USAGE_WIDTH = 145
"""From this many columns on the bars of CPU and memory are shown."""
_STATES = {verdict.word.casefold(): verdict for verdict in Verdict}
_BAR = 5
_NEAR_LIMIT = 0.9
_Use = tuple[float, float, float]
"""What is used, the limit and the request; 0 for a limit or a request that is not set."""


@dataclass(frozen=True, slots=True)
class PodUsages:
    """The usage of pods by name. `word` says why it is unknown: `NO DATA`, `DENIED`, `STALE`; empty while it is current."""

    pods: Mapping[str, PodUsage] = field(default_factory=dict)
    word: str = ""
    reason: str = ""


class RowFacts:
    """What the columns say, computed when a row is first drawn: of thousands of workloads only a screenful is."""

    def __init__(self, cluster: Cluster, authors: Authors = NO_AUTHORS) -> None:
        self.cluster = cluster
        self._authors = authors
        self._restarts: dict[str, int] = {}
        self._blocking = [item for item in cluster.budgets if not item.allowed]
        hidden = {item.plural for item in cluster.faults if item.forbidden}
        self._pods_are_visible = "pods" not in hidden

    def restarts(self, item: Workload) -> int | None:
        """Of all containers of all its pods; None if its pods may not be listed."""
        if not self._pods_are_visible:
            return None
        if item.target not in self._restarts:
            self._restarts[item.target] = sum(pod.restarts for pod in self.cluster.pods_of(item))
        return self._restarts[item.target]

    def cells(self, found: WorkloadVerdict, *, now: float, stale_word: str, usage: PodUsages) -> tuple[Span, ...]:
        """One span for each of `COLUMNS`. `stale_word` replaces the verdict if the cluster does not answer."""
        item = found.workload
        word, tone = (stale_word, "unknown") if stale_word else (found.verdict.word, VERDICT_TONES[found.verdict])
        restarts = self.restarts(item)
        since = self.cluster.rolled_out_at(item)
        return (
            (word, tone if not found.over or stale_word else "dim"),
            (item.short_kind, "dim"),
            text(item.name, "strong"),
            (format_ready(item), tone if item.serves and item.ready < item.desired else ""),
            ("-" if restarts is None else str(restarts), "warn" if restarts else "dim"),
            (format_age(now - since) if since else "-", ""),
            text(name_rollout_author(item, self._authors) or "-", "dim"),
            self.reason(found, now),
            self._limits(item),
            text(", ".join(image_name(container.image) for container in item.containers)),
            (str(item.revision) if item.revision else "-", ""),
            text(item.managed_by or item.owner or "-", "dim"),
            *self._bars(item, usage),
        )

    def reason(self, found: WorkloadVerdict, now: float) -> Span:
        """Why it is not well, with the reason, the last exit and the message of its worst pod; empty if all is said."""
        item = found.workload
        if item.paused:
            return text("rollout PAUSED", "dim" if found.verdict is Verdict.OK else "warn")
        if found.verdict is Verdict.STALE:
            return text(found.reason, "unknown")
        parts = [describe_schedule(item, now)] if item.batch is not None else []
        if item.kind == "CronJob" and found.verdict is Verdict.OK and not found.over:
            pass  # the schedule says it all
        elif item.batch is not None or item.kind == "Pod":
            parts += [found.reason.partition(": ")[2], item.message or (item.batch.message if item.batch else "")]
        else:
            status = rollout_status(item)
            parts.append(status.sentence.partition(": ")[2] if status.phase is not RolloutPhase.DONE else "")
        pods = self.cluster.pods_of(item) if item.kind != "Pod" else ()
        parts.append(find_worst_reason(pod for pod in pods if not (item.replaces_pods and pod.ended)))
        return text("; ".join(dict.fromkeys(filter(None, parts))), "dim")

    def _limits(self, item: Workload) -> Span:
        """`3–20 at max · PDB 0`: the HPA's range, and a PodDisruptionBudget that permits no eviction now."""
        scaler = self.cluster.autoscaler_of(item)
        parts, tone = [], "dim"
        if scaler is not None:
            parts.append(f"{scaler.minimum}–{scaler.maximum}{' at max' if scaler.at_limit else ''}")
            tone = "warn" if scaler.at_limit else "dim"
        pods = self.cluster.pods_of(item) if self._blocking and item.serves else ()
        if pods and any(budget.selects(pods[0].labels) for budget in self._blocking):
            parts.append("PDB 0")
            tone = "warn"
        return (" · ".join(parts) or "-", tone)

    def _bars(self, item: Workload, usage: PodUsages) -> tuple[Span, Span]:
        if usage.word and not usage.pods:
            return ((usage.word, "unknown"), (usage.word, "unknown"))
        uses = self._uses(item, usage)
        return (_bar(*uses[0], _cores), _bar(*uses[1], _bytes)) if uses else (("-", "dim"), ("-", "dim"))

    def _uses(self, item: Workload, usage: PodUsages) -> tuple[_Use, _Use] | None:
        """Of CPU and memory what its pods with a known usage use, may use and request together; None without such a pod."""
        known = [usage.pods[pod.name] for pod in self.cluster.pods_of(item) if pod.name in usage.pods]
        if not known:
            return None
        one, count = sum_resources(item.containers), len(known)
        return (
            (sum(pod.cpu_cores for pod in known), count * one.cpu_limit, count * one.cpu_request),
            (sum(pod.memory_bytes for pod in known), count * one.memory_limit, count * one.memory_request),
        )

    def used_ratio(self, found: WorkloadVerdict, usage: PodUsages, *, memory: bool = False) -> float | None:
        """The share that the bar shows, 1 for all of it; None if the usage, or what it is a share of, is unknown."""
        uses = self._uses(found.workload, usage)
        used, limit, request = uses[memory] if uses else (0.0, 0.0, 0.0)
        return used / (limit or request) if limit or request else None

    def haystack(self, found: WorkloadVerdict) -> str:
        """What the words of a filter are looked for in: name, kind, reason, labels, images, owner."""
        item = found.workload
        return " ".join(
            (
                item.target,
                f"{item.short_kind}/{item.name}",
                found.reason,
                item.owner,
                item.managed_by,
                *(f"{key}={value}" for key, value in item.labels),
                *(container.image for container in item.containers),
            )
        ).casefold()


def select_rows(verdicts: tuple[WorkloadVerdict, ...], facts: RowFacts, words: str, sort: str) -> tuple[WorkloadVerdict, ...]:
    """The rows with all words, in this order. The word of a state (`warn`, `stale`) selects by the state alone."""
    required = words.casefold().split()
    states = {_STATES[word] for word in required if word in _STATES}
    needles = [word for word in required if word not in _STATES]
    rows = [
        item
        for item in verdicts
        if (not states or item.verdict in states)
        and (not needles or all(word in haystack for haystack in (facts.haystack(item),) for word in needles))
    ]
    match sort:
        case "by name":
            rows.sort(key=lambda item: (item.workload.name, item.workload.kind))
        case "most restarts":
            rows.sort(key=lambda item: -(facts.restarts(item.workload) or 0))
        case "newest first":
            rows.sort(key=lambda item: -item.workload.created_at)
    return tuple(rows)


def format_ready(item: Workload) -> str:
    """`5/6` pods; of a Job its completions; of a CronJob its active runs, if any."""
    if item.batch is None:
        return f"{item.ready}/{item.desired}"
    if item.kind == "Job":
        return f"{item.batch.succeeded}/{item.batch.completions}"
    return f"{item.batch.active} run" if item.batch.active else "-"


def describe_schedule(item: Workload, now: float) -> str:
    """Of a CronJob its schedule and last success; empty for a Job."""
    batch = item.batch
    if batch is None or item.kind != "CronJob":
        return ""
    success = f"succeeded {format_age(now - batch.succeeded_at)} ago" if batch.succeeded_at else "never succeeded"
    return f"{batch.schedule}, {success}"


def find_worst_reason(pods: Iterable[Pod]) -> str:
    """The reason and message of the pod that is not ready, or the last exit of the one with the most restarts."""
    worst = max(pods, key=lambda pod: (not pod.ready and bool(pod.reason), pod.restarts), default=None)
    if worst is None or (worst.ready and not worst.last_exit):
        return ""
    return ": ".join(filter(None, (worst.reason, worst.last_exit, worst.message)))


def image_name(image: str) -> str:
    """`cad-ml-api:1.9.0`, without registry and repository path."""
    return image.rpartition("/")[2]


def _bar(used: float, limit: float, request: float, unit: Callable[[float], str]) -> Span:
    """`███░░░  41%` of the limit, `r` after it if only the request is set; the figure alone where neither is."""
    whole = limit or request
    if not whole:
        return (unit(used), "")
    ratio = used / whole
    filled = min(_BAR, round(ratio * _BAR))
    percent = f"{min(999, round(ratio * 100)):3d}%"
    tone = "warn" if limit and ratio >= _NEAR_LIMIT else ""
    return (f"{'█' * filled}{'░' * (_BAR - filled)} {percent}{'' if limit else 'r'}", tone)


def _cores(used: float) -> str:
    return f"{used:.2f} cores"


def _bytes(used: float) -> str:
    return f"{used / (1 << 20):.0f} MiB"
