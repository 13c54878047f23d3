"""Patches a Deployment and watches its rollout until kubectl would say that it is done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

from console.actions.action import Progress, Reads, Writes
from console.actions.plan import Plan
from console.actions.workload_facts import name_of
from queries import kube_decode as decode
from queries.model.rollout import RolloutPhase, rollout_status

POLL_SECONDS = 0.5
FAILED_POLLS = 8
"""A deadline that an older rollout exceeded is still written down for a moment after the new one began."""


async def patch_deployment(plan: Plan, writes: Writes, *, content_type: str, subresource: str = "") -> None:
    """The one write. Raises SourceError."""
    await writes.patch("deployments", name_of(plan.request), plan.body, subresource=subresource, content_type=content_type)


async def watched_rollout(
    plan: Plan, reads: Reads, *, wished: Callable[[dict[str, Any]], str], pods_must_be_new: bool = False
) -> AsyncGenerator[Progress, None]:
    """Reports until the rollout is done or failed. Raises SourceError.

    `wished` looks at the Deployment and says what is not as wished any more (somebody else's change), empty while it is.
    With `pods_must_be_new` it is only done when no older ReplicaSet has a pod left.
    """
    failed = 0
    while True:
        deployment = await reads.deployment(name_of(plan.request))
        undone = wished(deployment)
        if undone:
            yield Progress(undone, done=False)
            return
        workload = decode.workload_of(deployment)
        status = rollout_status(workload)
        if status.phase is RolloutPhase.FAILED:
            failed += 1
            yield Progress(status.sentence, done=False if failed >= FAILED_POLLS else None)
            if failed >= FAILED_POLLS:
                return
        elif status.phase is RolloutPhase.DONE:
            left = await _old_pods(reads, deployment) if pods_must_be_new else 0
            if not left:
                yield Progress(status.sentence, done=True)
                return
            yield Progress(f"{workload.name}: {left} old pods still to end")
        else:
            yield Progress(status.sentence)
        await asyncio.sleep(POLL_SECONDS)


async def _old_pods(reads: Reads, deployment: dict[str, Any]) -> int:
    sets = [decode.revision_of(item) for item in await reads.replica_sets(deployment)]
    newest = max((item.number for item in sets), default=0)
    return sum(item.replicas for item in sets if item.number != newest)
