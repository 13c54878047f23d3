"""Keeps the rows of a namespace and the pods of each up to date: of thousands of pods only the changed ones are looked at."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import attrgetter, is_
from typing import Any, TypeAlias

from queries.kubernetes.workload_decode import build_lone_pod
from queries.model.cluster import PodControllers, PodSelectors, Selector, find_groups
from queries.model.pod import Pod
from queries.model.sorted_rows import SortedRows, find_changes
from queries.model.workload import Revision, Workload

_Group: TypeAlias = str | Selector
"""Of pods: those that one workload controls, by its target, or those that one selector selects."""
_CONTROLLER = attrgetter("uid", "kind", "name", "selector", "requirements", "owner")
_REVISION = attrgetter("uid", "owner_uid", "owner", "name")


class ClusterIndex:
    """`rows` and `pods_by_target` are those of the last update, and never change afterwards."""

    def __init__(self) -> None:
        self.rows: tuple[Workload, ...] = ()
        """Every workload, and the pods that no workload has, sorted by name and kind."""
        self.pods_by_target: Mapping[str, tuple[Pod, ...]] = {}
        self._lists: tuple[Sequence[Any], ...] = ()
        self._structure: object = None
        self._pods: tuple[Pod, ...] = ()
        self._sorted: SortedRows[Workload] = SortedRows()
        self._groups: dict[_Group, SortedRows[Pod]] = {}
        self._controllers = PodControllers((), ())
        self._selectors = PodSelectors(())
        self._listed: frozenset[str] = frozenset()
        self._selected_by: dict[Selector, list[str]] = {}
        self._selector_of: dict[str, Selector] = {}
        self._owners: dict[str, str] = {}
        """Of a Job the target of its CronJob."""
        self._runs: dict[str, list[str]] = {}

    def update(
        self,
        workloads: Sequence[tuple[Workload, ...]],
        revisions: tuple[Revision, ...],
        pods: tuple[Pod, ...],
        listed: Collection[str],
    ) -> None:
        """Take the lists as they are now; `workloads` has one for each kind, and `listed` are the kinds of controllers that
        are listed.
        """
        gone: set[tuple[str, str]] = set()
        new: dict[tuple[str, str], Workload] = {}
        lists = (*workloads, revisions)
        same = len(lists) == len(self._lists) and all(map(is_, lists, self._lists))
        if not (same and self._listed == listed):
            for before, now in zip(self._lists[:-1] or ((),) * len(workloads), workloads, strict=True):
                old, changed = find_changes(before, now)
                gone |= {(item.name, item.kind) for item in old}
                new |= {(item.name, item.kind): item for item in changed}
            self._lists = lists
            every = [item for each in workloads for item in each]
            structure = ([*map(_CONTROLLER, every)], [*map(_REVISION, revisions)], frozenset(listed))
            if structure != self._structure:
                self._structure = structure
                gone |= {(item.name, "Pod") for item in self.rows if item.kind == "Pod"}
                self._rebuild(every, revisions, frozenset(listed))
        lone_gone, lone_new = self._change_pods(*find_changes(self._pods, pods))
        self._pods = pods
        gone |= lone_gone
        new |= lone_new
        if gone or new:
            self._sorted.change([key for key in gone if key not in new], new)
            self.rows = self._sorted.rows()

    def _rebuild(self, workloads: list[Workload], revisions: tuple[Revision, ...], listed: frozenset[str]) -> None:
        """A controller came or went, or selects other pods: find the place of every pod again."""
        self._controllers, self._selectors = PodControllers(workloads, revisions), PodSelectors(workloads)
        self._listed = listed
        self._groups.clear()
        self._pods, self.pods_by_target = (), {}
        self._selected_by, self._selector_of, self._owners, self._runs = {}, {}, {}, {}
        for item in workloads:
            selector = (item.selector, item.requirements)
            if any(selector):
                self._selector_of[item.target] = selector
                self._selected_by.setdefault(selector, []).append(item.target)
            if item.kind == "Job" and item.owner:
                kind, _, name = item.owner.partition("/")
                owner = self._owners[item.target] = f"{kind.lower()}/{name}"
                self._runs.setdefault(owner, []).append(item.target)

    def _change_pods(
        self, gone: Iterable[Pod], new: Iterable[Pod]
    ) -> tuple[set[tuple[str, str]], dict[tuple[str, str], Workload]]:
        """Returns the rows of pods that no workload has: those that go, and those that come."""
        found = dict(self.pods_by_target)
        rows_gone: set[tuple[str, str]] = set()
        rows_new: dict[tuple[str, str], Workload] = {}
        left: dict[_Group, list[str]] = {}
        joined: dict[_Group, dict[str, Pod]] = {}
        for pod in gone:
            groups = find_groups(pod, self._controllers, self._selectors, self._listed)
            if groups is None:
                rows_gone.add((pod.name, "Pod"))
                del found[f"pod/{pod.name}"]
            for group in groups or ():
                left.setdefault(group, []).append(pod.name)
        for pod in new:
            groups = find_groups(pod, self._controllers, self._selectors, self._listed)
            if groups is None:
                row = build_lone_pod(pod, self._controllers.controller(pod))
                rows_new[pod.name, "Pod"] = row
                found[row.target] = (pod,)
            for group in groups or ():
                joined.setdefault(group, {})[pod.name] = pod
        for group in {**left, **joined}:
            self._groups.setdefault(group, SortedRows()).change(left.get(group, ()), joined.get(group, {}))
        for target in self._find_targets((*left, *joined)):
            if own := self._collect(target):
                found[target] = own
            else:
                found.pop(target, None)
        for owner in {self._owners[target]: None for target in self._find_targets((*left, *joined)) if target in self._owners}:
            found[owner] = tuple(pod for target in sorted(self._runs[owner]) for pod in found.get(target, ()))
        if rows_gone or rows_new or left or joined:
            self.pods_by_target = found
        return rows_gone, rows_new

    def _find_targets(self, groups: Iterable[_Group]) -> dict[str, None]:
        """The workloads whose pods are, or are among, those of these groups."""
        return dict.fromkeys(
            target for group in groups for target in ((group,) if isinstance(group, str) else self._selected_by[group])
        )

    def _collect(self, target: str) -> tuple[Pod, ...]:
        own, selector = self._groups.get(target), self._selector_of.get(target)
        selected = self._groups.get(selector) if selector is not None else None
        if selected is None:
            return own.rows() if own is not None else ()
        return (*own.rows(), *selected.rows()) if own is not None else selected.rows()
