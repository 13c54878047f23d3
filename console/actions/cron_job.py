"""Suspend a CronJob, unsuspend it, or run it now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from console.actions.action import AppliedCheck, ChangeWriter, ClusterReader, Parameter, Progress
from console.actions.deployment_preflight import check_access, check_dry_run
from console.actions.new_pods import NewPods, check_new_pods
from console.actions.object_patch import BooleanPatch, ObjectFacts, parse_name
from console.actions.plan import CheckLevel, Difference, Plan, PreflightCheck, Request, plan_digest
from console.actions.reconcilers import SUSPEND, owners
from queries.errors import SourceError
from queries.kubernetes.metadata_decode import controller_uid, label_selector, parse_timestamp
from queries.kubernetes.pod_decode import decode_pod
from queries.model.action import ActionCall
from queries.model.frozen import dataclass
from queries.text.durations import format_duration

INSTANTIATE = "cronjob.kubernetes.io/instantiate"
"""The annotation of a Job that a person started; its value is `manual`."""


class _SetSuspended(BooleanPatch):
    """One patch of `spec.suspend`."""

    target_kind: str = "cronjob"
    kinds: ClassVar[tuple[str, ...]] = ("CronJob",)
    resource: ClassVar[str] = "cronjobs"
    changes: ClassVar[str] = SUSPEND
    states: ClassVar[tuple[str, str]] = ("active", "suspended")

    def plan(self, request: Request, facts: ObjectFacts, now: float) -> Plan:
        name, spec = parse_name(request, self.target_kind), facts.raw["spec"]
        before = self.read_value(facts.raw)
        running = len((facts.raw.get("status") or {}).get("active") or ())
        missed = "" if self.value else _describe_missed_run(spec, running)
        replaced = bool(missed) and spec.get("concurrencyPolicy") == "Replace"
        return self.build_plan(
            request,
            facts,
            title=f"{self.title} cronjob/{name}",
            differences=(_schedule(spec), self.state_difference("state")),
            notes=(_describe_running(running, go_on=not replaced), missed),
            command=("patch", f"cronjob/{name}", "-p", f'{{"spec":{{"suspend":{"true" if self.value else "false"}}}}}'),
            body={"spec": {"suspend": self.value}},
            reverted_by=owners(facts.raw),
            digest_of=(before, spec.get("schedule"), spec.get("startingDeadlineSeconds")),
            undo=ActionCall(self.undone_by, f"cronjob/{name}"),
        )


class Suspend(_SetSuspended):
    name = "suspend"
    title = "Suspend"
    undone_by: ClassVar[str] = "unsuspend"
    value: ClassVar[bool] = True


class Unsuspend(_SetSuspended):
    name = "unsuspend"
    title = "Unsuspend"
    undone_by: ClassVar[str] = "suspend"
    value: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class RunNowFacts:
    """A CronJob and the Jobs of the namespace, as the API server returns them."""

    cron_job: ObjectFacts
    jobs: tuple[dict[str, Any], ...]

    def running(self) -> tuple[str, ...]:
        """The names of the CronJob's Jobs that have not ended, those that a person started included."""
        uid = self.cron_job.raw["metadata"]["uid"]
        own = [item for item in self.jobs if controller_uid(item) == uid]
        return tuple(item["metadata"]["name"] for item in own if not _end_of(item))

    def free_name(self) -> str:
        """`backup-manual-1`, with the lowest number that is free, so that the preview names what will be created."""
        taken = {item["metadata"]["name"] for item in self.jobs}
        prefix = f"{self.cron_job.raw['metadata']['name']}-manual-"
        return next(name for number in range(1, len(taken) + 2) if (name := f"{prefix}{number}") not in taken)


class RunNow:
    """Creates a Job from a CronJob, as `kubectl create job --from=cronjob/NAME` does."""

    name = "run-now"
    title = "Run now"
    target_kind = "cronjob"
    kinds: ClassVar[tuple[str, ...]] = ("CronJob",)
    expects_recovery = False
    parameters: tuple[Parameter, ...] = ()

    async def fetch_facts(self, request: Request, reader: ClusterReader) -> RunNowFacts:
        name = parse_name(request, self.target_kind)
        cron_job, jobs = await asyncio.gather(reader.read("cronjobs", name), reader.list_objects("jobs"))
        return RunNowFacts(ObjectFacts(cron_job, reader.kubectl), tuple(jobs))

    def plan(self, request: Request, facts: RunNowFacts, now: float) -> Plan:
        cron_job, job = facts.cron_job.raw, facts.free_name()
        name, spec = cron_job["metadata"]["name"], cron_job["spec"]
        template = spec["jobTemplate"]
        containers = template["spec"]["template"]["spec"]["containers"]
        notes = ("the CronJob is suspended; a Job that you start runs anyway",) if spec.get("suspend") else ()
        if template["spec"].get("suspend"):
            notes = (*notes, "its Jobs are created suspended: a person or a queue controller has to resume this one")
        return Plan(
            request=request,
            title=f"Run cronjob/{name} now",
            subject=f"job/{job}",
            differences=(
                Difference("job", "-", job),
                _schedule(spec),
                *(Difference("image", item["image"], item["image"]) for item in containers),
            ),
            notes=notes,
            command=facts.cron_job.kubectl_command("create", "job", job, f"--from=cronjob/{name}"),
            confirm_word=name,
            body=_job_from(cron_job, job),
            digest=plan_digest(self.name, cron_job["metadata"]["uid"], job, template),
        )

    async def preflight(
        self, plan: Plan, facts: RunNowFacts, reader: ClusterReader, writer: ChangeWriter
    ) -> tuple[PreflightCheck, ...]:
        spec = facts.cron_job.raw["spec"]["jobTemplate"]["spec"]
        count = min(spec.get("parallelism", 1), spec.get("completions", spec.get("parallelism", 1)))
        jobs = [item["spec"]["template"] for item in facts.jobs]
        return (
            *_check_running(facts),
            await check_access(reader, "jobs", "", verb="create"),
            await check_dry_run(writer.create("jobs", plan.body, dry_run=True)),
            *await check_new_pods(reader, NewPods(spec["template"], count, known=tuple(jobs), objects=("count/jobs.batch",))),
        )

    async def execute(self, plan: Plan, writer: ChangeWriter) -> str:
        return str((await writer.create("jobs", plan.body))["metadata"]["uid"])

    async def check_applied(self, plan: Plan, reader: ClusterReader) -> AppliedCheck:
        """Only this write creates a Job of this name from the CronJob: otherwise the server rejects a second one."""
        try:
            found = await _read_job(plan, reader)
        except SourceError as error:
            if error.fault.status == 404:
                return AppliedCheck(text=f"{plan.subject} does not exist")
            raise
        return AppliedCheck(replace(plan, written=str(found["metadata"]["uid"])))

    async def check_undone(self, plan: Plan, reader: ClusterReader) -> Progress | None:
        """A Job that has ended cannot be reverted; it may be deleted as soon as it has."""
        return None

    async def verify(self, plan: Plan, reader: ClusterReader) -> AsyncGenerator[Progress, None]:
        """Until the Job completes or fails: the Job's own outcome."""
        while True:
            try:
                job = await _read_job(plan, reader)
            except SourceError as error:
                if error.fault.status != 404:
                    raise
                yield Progress(f"{plan.subject} was deleted before the console saw it end", done=False, unseen=True)
                return
            if plan.written and str(job["metadata"]["uid"]) != plan.written:
                yield Progress(f"{plan.subject} was deleted, and another Job now has its name", done=False, unseen=True)
                return
            end, status = _end_of(job), job.get("status") or {}
            if end:
                yield await _describe_end(plan, job, end, reader)
                return
            if job["spec"].get("suspend"):
                yield Progress(f"{plan.subject} is created and suspended", done=True)
                return
            pods = f"{_pods(status.get('active', 0))} running, {status.get('ready', 0)} ready"
            failed = f", {status['failed']} failed" if status.get("failed") else ""
            yield Progress(f"{plan.subject}: {pods}{failed}", takes_long=True)


async def _read_job(plan: Plan, reader: ClusterReader) -> dict[str, Any]:
    return await reader.read("jobs", plan.subject.partition("/")[2])


def _end_of(job: Mapping[str, Any]) -> dict[str, Any] | None:
    """The condition Complete or Failed; None before the Job has ended."""
    conditions = (job.get("status") or {}).get("conditions") or ()
    return next((item for item in conditions if item["type"] in ("Complete", "Failed") and item["status"] == "True"), None)


async def _describe_end(plan: Plan, job: Mapping[str, Any], end: Mapping[str, Any], reader: ClusterReader) -> Progress:
    status = job.get("status") or {}
    started_at, ended_at = (parse_timestamp(text) for text in (status.get("startTime"), end.get("lastTransitionTime")))
    after = f" after {format_duration(round(ended_at - started_at))}" if started_at and ended_at else ""
    if end["type"] == "Complete":
        return Progress(f"{plan.subject} completed{after}: {_pods(status.get('succeeded', 0))} succeeded", done=True)
    reason = ": ".join(filter(None, (str(end.get("reason") or ""), str(end.get("message") or ""))))
    exits = await _last_exit(job, reader)
    return Progress(f"{plan.subject} failed{after}: {reason}{f'; {exits}' if exits else ''}", done=False)


async def _last_exit(job: Mapping[str, Any], reader: ClusterReader) -> str:
    """How the newest pod of the Job ended; empty if no pod is left or none may be read."""
    try:
        pods = [decode_pod(item) for item in await reader.list_objects("pods", labels=label_selector(job))]
    except SourceError:
        return ""
    newest = max(pods, key=lambda pod: pod.created_at, default=None)
    return f"{newest.name}: {newest.last_exit}" if newest and newest.last_exit else ""


def _job_from(cron_job: Mapping[str, Any], name: str) -> dict[str, Any]:
    """As kubectl 1.36 creates it (pkg/cmd/create/create_job.go): without blockOwnerDeletion, which needs a permission more."""
    template, meta = cron_job["spec"]["jobTemplate"], cron_job["metadata"]
    given = template.get("metadata") or {}
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": meta["name"], "uid": meta["uid"], "controller": True}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "annotations": {INSTANTIATE: "manual", **(given.get("annotations") or {})},
            **({"labels": given["labels"]} if given.get("labels") else {}),
            "ownerReferences": [owner],
        },
        "spec": template["spec"],
    }


def _check_running(facts: RunNowFacts) -> tuple[PreflightCheck, ...]:
    running = facts.running()
    if not running:
        return (PreflightCheck(CheckLevel.OK, "none of its Jobs is running", "Jobs"),)
    policy = facts.cron_job.raw["spec"].get("concurrencyPolicy", "Allow")
    ignored = "" if policy == "Allow" else f"; concurrencyPolicy {policy} applies to scheduled Jobs only"
    both = f"{', '.join(running[:3])} {'is' if len(running) == 1 else 'are'} running: the new Job runs alongside{ignored}"
    return (PreflightCheck(CheckLevel.WARN, both, "Jobs"),)


def _schedule(spec: Mapping[str, Any]) -> Difference:
    return Difference("schedule", str(spec.get("schedule")), str(spec.get("schedule")))


def _pods(count: int) -> str:
    return "1 pod" if count == 1 else f"{count} pods"


def _describe_running(count: int, *, go_on: bool) -> str:
    if not count:
        return ""
    are, s = ("is", "s") if count == 1 else ("are", "")
    return f"{count} of its Jobs {are} running{f' and continue{s}' if go_on else ''}"


def _describe_missed_run(spec: Mapping[str, Any], running: int) -> str:
    """What the controller starts for a missed run; empty if it starts nothing.

    Source: Kubernetes 1.36, pkg/controller/cronjob: only the last missed run, if it is not older than the starting deadline.
    """
    deadline = spec.get("startingDeadlineSeconds")
    if deadline == 0:
        return ""
    since = "while it was suspended" if deadline is None else f"within the last {format_duration(deadline)}"
    policy = spec.get("concurrencyPolicy")
    when = "at once"
    if running and policy == "Forbid":
        when = "once no Job is running (concurrencyPolicy Forbid)"
    elif running and policy == "Replace":
        when = "at once and ends them (concurrencyPolicy Replace)"
    return f"a run missed {since} starts {when}"
