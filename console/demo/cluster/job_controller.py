"""The Job controller: creates a Job's pods until enough of them succeeded, or too many failed."""

from __future__ import annotations

from typing import Any

from console.demo.cluster.owned_pods import create_pod, is_ready, is_terminating, pods_of
from console.demo.cluster.registry import Registry
from console.demo.cluster.resource import JOBS, Object
from console.demo.cluster.store import Store


class Jobs:
    """`sync` advances one Job, and runs again after every change of its pods."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self._store, self._registry = store, registry

    def sync(self, namespace: str, name: str) -> None:
        job = self._store.copy(JOBS, namespace, name)
        if job is None or job["spec"].get("suspend") or _ended(job):
            return
        spec, status = job["spec"], job["status"]
        pods = pods_of(self._store, job)
        phases = [pod["status"].get("phase") for pod in pods]
        succeeded, failed = phases.count("Succeeded"), phases.count("Failed")
        active = [pod for pod in pods if _is_active(pod)]
        status.setdefault("startTime", self._store.now())
        completions = spec.get("completions", 1)
        done = succeeded >= completions
        if done:
            self._end(status, "Complete", "CompletionsReached", "Reached expected number of succeeded pods")
            status["completionTime"] = self._store.now()
        elif failed > spec["backoffLimit"]:
            self._end(status, "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
        else:
            for _ in range(min(spec["parallelism"], completions - succeeded) - len(active)):
                create_pod(self._registry, job, JOBS, job["spec"]["template"])
                active.append({})
        ready = sum(is_ready(pod) for pod in active if pod)
        counts = {"active": len(active), "succeeded": succeeded, "failed": failed}
        for key, count in counts.items():
            status.pop(key, None)
            if count:
                status[key] = count
        status.update(ready=ready, terminating=0, uncountedTerminatedPods={})
        self._store.update(JOBS, job)

    def _end(self, status: dict[str, Any], kind: str, reason: str, message: str) -> None:
        now = self._store.now()
        times = {"lastProbeTime": now, "lastTransitionTime": now}
        first = "SuccessCriteriaMet" if kind == "Complete" else "FailureTarget"
        status["conditions"] = [
            {"type": item, "status": "True", **times, "reason": reason, "message": message} for item in (first, kind)
        ]


def _ended(job: Object) -> bool:
    conditions = job["status"].get("conditions") or ()
    return any(item["type"] in ("Complete", "Failed") and item["status"] == "True" for item in conditions)


def _is_active(pod: Object) -> bool:
    return pod["status"].get("phase") not in ("Succeeded", "Failed") and not is_terminating(pod)
