"""The targets and parameters that `:` offers for an action, from what the console knows now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from console.screens.render_context import RenderContext
from queries.model.text import visible

if TYPE_CHECKING:
    from console.actions.action import Action
    from console.config.settings import Settings
    from queries.model.cluster import Cluster
    from queries.model.workload import Workload

TYPED_TARGETS = ("service", "configmap")
"""The kinds whose objects nothing lists until an action reads one: their names are typed."""


def offer_targets(action: Action, context: RenderContext) -> Iterable[tuple[str, str]]:
    """Each target as it is typed, and its description."""
    if (listed := _LISTS.get(action.target_kind)) is not None:
        return listed(action, context)
    return _list_workloads(action, context)


def offer_parameters(action: Action, context: RenderContext, target: str) -> Iterable[tuple[str, str, bool]]:
    """What may follow the target, with its description and whether more is typed after it: revisions by number, then each
    parameter with what it means and what it is now.
    """
    cluster = _cluster(context)
    found = (item for item in cluster.workloads if _typed(action, item) == target) if cluster else iter(())
    workload = next((item for item in found if item.kind in action.kinds), None)
    if cluster is not None and workload is not None and action.name == "rollback":
        for item in sorted(cluster.revisions_of(workload), key=lambda each: -each.number):
            now = "now; " if item.number == workload.revision else ""
            yield str(item.number), f"{now}{', '.join(container.image for container in item.containers)}", False
    for name, description in describe_parameters(action, target, context.settings):
        now = f"now {workload.desired}; " if workload is not None and name == "replicas" else ""
        yield f"{name}=", f"{now}{description}", True


def describe_parameters(action: Action, target: str, settings: Settings) -> tuple[tuple[str, str], ...]:
    """Name and description of each; those of a call of the platform's administration depend on the call."""
    if action.target_kind != "call":
        return tuple((item.name, item.description) for item in action.parameters)
    from queries.platform.admin_calls import read_admin_calls  # noqa: PLC0415  # not before the first frame

    call = read_admin_calls(settings.own.admin_calls).calls.get(target.removeprefix("call/"))
    return tuple((item.name, item.about) for item in call.parameters) if call else ()


def _list_workloads(action: Action, context: RenderContext) -> Iterable[tuple[str, str]]:
    cluster = _cluster(context)
    for item in cluster.workloads if cluster else ():
        if item.kind in action.kinds:
            yield _typed(action, item), f"{action.title} {item.target}"


def _typed(action: Action, workload: Workload) -> str:
    """What is typed for it: the name alone of the action's own kind."""
    return workload.name if workload.kind.lower() == action.target_kind else workload.target


def _list_pods(action: Action, context: RenderContext) -> Iterable[tuple[str, str]]:
    cluster = _cluster(context)
    return ((pod.name, f"{action.title} pod/{pod.name}") for pod in (cluster.pods if cluster else ()))


def _list_nodes(action: Action, context: RenderContext) -> Iterable[tuple[str, str]]:
    """The nodes that pods of the namespace run on: no other is known without a request."""
    cluster = _cluster(context)
    counts = Counter(pod.node for pod in (cluster.pods if cluster else ()) if pod.node)
    for name, count in sorted(counts.items()):
        yield name, f"{action.title} node/{name}, with {count} {'pod' if count == 1 else 'pods'} of this namespace"


def _list_services(action: Action, context: RenderContext) -> Iterable[tuple[str, str]]:
    return ((item.name, f"{action.title} external/{item.name}") for item in context.settings.services)


def _list_tokens(action: Action, context: RenderContext) -> Iterable[tuple[str, str]]:
    return ((item.name, f"{action.title} token/{item.name}") for item in context.settings.tokens)


def _list_calls(action: Action, context: RenderContext) -> Iterable[tuple[str, str]]:
    from queries.platform.admin_calls import read_admin_calls  # noqa: PLC0415  # not before the first frame

    calls = read_admin_calls(context.settings.own.admin_calls).calls.values()
    return ((call.id, call.title) for call in calls if not call.sealed)


def _list_silences(action: Action, context: RenderContext) -> Iterable[tuple[str, str]]:
    for item in context.snapshot.silences if context.snapshot else ():
        if item.state != "expired":
            matchers = ", ".join(map(str, item.matchers))
            yield item.id, visible(f"{action.title} {matchers}, by {item.created_by}: {item.comment}")


def _list_updates(action: Action, context: RenderContext) -> Iterable[tuple[str, str]]:
    """The updates of open incidents, the newest first."""
    for incident in reversed(context.snapshot.ledger.incidents.open if context.snapshot else ()):
        for update in reversed(incident.updates):
            text = visible(f"{action.title} incident {incident.number}: {update.text}")
            yield f"update/{incident.id}/{update.id}", text


def _no_targets(action: Action, context: RenderContext) -> Iterable[tuple[str, str]]:
    return ()


def _cluster(context: RenderContext) -> Cluster | None:
    return context.snapshot.cluster if context.snapshot else None


_LISTS: Mapping[str, Callable[[Action, RenderContext], Iterable[tuple[str, str]]]] = MappingProxyType(
    {
        "pod": _list_pods,
        "node": _list_nodes,
        "external": _list_services,
        "token": _list_tokens,
        "call": _list_calls,
        "silence": _list_silences,
        "update": _list_updates,
        **dict.fromkeys(TYPED_TARGETS, _no_targets),
    }
)
"""By the kind of target; of every other kind, the workloads that the action can change."""
