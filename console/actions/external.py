"""Update or restore a service outside the cluster, by the programs that the config file names."""

from __future__ import annotations

import asyncio
import getpass
import re
import shutil
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable, Mapping
from pathlib import Path
from typing import ClassVar

from console.actions.action import ChangeWriter, ClusterReader, Parameter, Progress
from console.actions.environment import build_environment, read_variables
from console.actions.plan import (
    ActionRefused,
    CheckLevel,
    Difference,
    Outcome,
    Plan,
    PreflightCheck,
    Request,
    Stage,
    StepEnd,
    StepReport,
    plan_digest,
)
from console.config.permissions import distrust
from console.config.services import BACKUP, EXTERNAL, VERSION, Programs, Service
from queries.model.action import ActionCall
from queries.model.frozen import dataclass
from queries.model.text import visible
from queries.text.durations import format_duration, format_elapsed
from queries.text.secrets import redact_command

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+:@/-]{0,127}")
"""It becomes part of an argument: neither an option nor an expression of a shell that the program may start."""
_HEALTH_SECONDS = 1.0
"""At most, between two checks of the health of a service that is not healthy yet; with a short limit a twentieth of it."""
_LONGEST_BACKUP = 1024
_PROOF = ("restart", "health", "smoke")


class StepRun:
    """Runs the steps of one service or token, each with a report before and after; `end` is how the last one ended."""

    def __init__(self, programs: Programs, target: str, writer: ChangeWriter, values: Mapping[str, str]) -> None:
        self._programs, self._target, self._writer = programs, target, writer
        self.values = dict(values)
        self.end = StepEnd()

    @property
    def failed(self) -> bool:
        return bool(self.end.error)

    async def run(self, step: str) -> AsyncGenerator[StepReport, None]:
        """Does nothing where there is no program for the step."""
        command = describe_step(self._programs, step, self.values)
        if not command:
            return
        stage = Stage.VERIFY if step in ("health", "smoke") else Stage.EXECUTE
        yield StepReport(step, f"{step}: {command}", stage, command)
        if step == "health":
            self.end = await self._wait_for_health()
        else:
            self.end = await self._writer.run_program(self._target, step, self.values)
        yield report_end(step, self.end, stage)

    async def run_all(self, steps: Iterable[str]) -> AsyncGenerator[StepReport, None]:
        """Ends with the first one that fails."""
        for step in steps:
            async for report in self.run(step):
                yield report
            if self.failed:
                return

    async def _wait_for_health(self) -> StepEnd:
        limit, started = self._programs.limit_seconds("health"), time.monotonic()
        while True:
            end = await self._probe()
            seconds = time.monotonic() - started
            if not end.error:
                return StepEnd(output=end.output, seconds=seconds)
            if seconds > limit:
                error = f"not healthy within {format_duration(limit)}: {end.error}"
                return StepEnd(error, end.output, seconds=seconds)
            await asyncio.sleep(min(_HEALTH_SECONDS, limit / 20))

    async def _probe(self) -> StepEnd:
        if isinstance(self._programs, Service) and self._programs.health_url:
            return StepEnd(await self._writer.check_health(self._programs.name))
        return await self._writer.run_program(self._target, "health", self.values)


def report_end(step: str, end: StepEnd, stage: Stage) -> StepReport:
    """The report after a step, with the last line of what it printed."""
    last = end.output.rpartition("\n")[2]
    result = f"failed: {end.error}" if end.error else f"done in {format_elapsed(end.seconds)}"
    text = "; ".join(filter(None, (f"{step}: {result}", last, end.note)))
    return StepReport(step, text, stage, done=not end.error, seconds=end.seconds, output=end.output, answer=end.answer)


def describe_step(programs: Programs, step: str, values: Mapping[str, str] | None = None) -> str:
    """The step's program as a shell would take it, without secrets; for a health URL `GET URL`; empty if there is none."""
    if step == "health" and isinstance(programs, Service) and programs.health_url:
        return f"GET {programs.health_url}"
    arguments = programs.command(step)
    for name, value in (values or {}).items():
        arguments = tuple(item.replace(name, value) for item in arguments)
    return redact_command(arguments)


def check_programs(programs: Programs, steps: Iterable[str]) -> Iterable[PreflightCheck]:
    """Whether every program can be started, and who else could have changed it."""
    found, count = [], 0
    if not Path(programs.folder).is_dir():
        text = f"there is no folder {visible(programs.folder)} on this host"
        return (PreflightCheck(CheckLevel.BLOCK, text, "programs"),)
    path = build_environment({}).get("PATH")
    for step in steps:
        command = programs.command(step)
        if not command:
            continue
        count += 1
        name = Path(programs.folder, command[0]) if "/" in command[0] else None
        place = shutil.which(str(name) if name else command[0], path=path)
        if place is None:
            text = f"{step}: there is no program {visible(command[0])} that you may run"
            found.append(PreflightCheck(CheckLevel.BLOCK, text, "programs"))
        elif why := distrust(Path(place)):
            found.append(PreflightCheck(CheckLevel.WARN, f"{step}: {visible(why)}", "programs"))
    if not found:
        noun = "program is" if count == 1 else "programs are"
        found.append(PreflightCheck(CheckLevel.OK, f"{count} {noun} there", "programs"))
    try:
        read_variables(programs)
    except ActionRefused as error:
        found.append(PreflightCheck(CheckLevel.BLOCK, str(error), "env_files"))
    host = socket.gethostname().partition(".")[0]
    text = f"they run on this host, {host}, as {_user()}, in {visible(programs.folder)}"
    return (*found, PreflightCheck(CheckLevel.OK, text, "host"))


@dataclass(frozen=True, slots=True)
class ExternalFacts:
    """The service, and its programs as they would run."""

    service: Service
    values: Mapping[str, str]
    last_run: str = ""
    """The newest run of any console that changed it, by the journal."""


async def find_last_run(target: str, reader: ClusterReader) -> str:
    """The id of the newest run with steps on the target; empty without one."""
    steps = await reader.list_steps(target)
    return steps[0].subject if steps else ""


async def check_unfinished(target: str, reader: ClusterReader) -> PreflightCheck:
    """Whether another run on the target has no outcome yet: two at once would undo each other's steps."""
    others, error = await reader.list_unfinished(target)
    if others:
        first = others[-1]
        text = (
            f"{visible(first.author)} began another run on {target}, and it has no outcome: wait for it; if nothing runs, "
            f"inspect it, then: cad-console journal settle {first.subject}"
        )
        return PreflightCheck(CheckLevel.BLOCK, text, "journal")
    if error:
        return PreflightCheck(CheckLevel.WARN, f"could not check for runs of other consoles: {error}", "journal")
    return PreflightCheck(CheckLevel.OK, "no other run on it is unfinished", "journal")


async def refuse_second_run(target: str, reader: ClusterReader) -> None:
    """After this run's own intent: raises ActionRefused if another one came between the preview and it."""
    others, _ = await reader.list_unfinished(target)
    if len(others) > 1:
        raise ActionRefused(f"another run on {target} began at the same moment; look at the journal, and review again")


class ExternalAction(ABC):
    """What updating and restoring have in common."""

    undone_by: ClassVar[str] = ""

    target_kind = EXTERNAL
    kinds: ClassVar[tuple[str, ...]] = ()
    expects_recovery = True

    async def fetch_facts(self, request: Request, reader: ClusterReader) -> ExternalFacts:
        kind, _, name = request.target.partition("/")
        service = reader.external_service(name)
        if kind != EXTERNAL or service is None:
            raise ActionRefused(f"there is no service {visible(name)[:80]!r}; name it under `services` of the environment")
        values = await self.read_values(request, service, reader)
        return ExternalFacts(service, values, await find_last_run(request.target, reader))

    @abstractmethod
    async def read_values(self, request: Request, service: Service, reader: ClusterReader) -> dict[str, str]:
        """What replaces the placeholders. Raises ActionRefused."""

    async def fetch_state(self, request: ActionCall, reader: ClusterReader) -> str:
        """As `Guardable.fetch_state`: the last run of any console that may have changed the service."""
        steps = await reader.list_steps(request.target)
        return next((event.subject for event in steps if event.data.get("step") != "backup"), "")

    async def preflight(
        self, plan: Plan, facts: ExternalFacts, reader: ClusterReader, writer: ChangeWriter
    ) -> tuple[PreflightCheck, ...]:
        checks = await asyncio.to_thread(check_programs, facts.service, dict(facts.service.commands))
        if not facts.service.health_url:
            return (
                *checks,
                PreflightCheck(CheckLevel.OK, "not checked: a program tells its health, after you confirm", "health"),
            )
        error = await writer.check_health(facts.service.name)
        if error:
            return (*checks, PreflightCheck(CheckLevel.WARN, f"it is not healthy now: {error}", "health"))
        return (*checks, PreflightCheck(CheckLevel.OK, "it is healthy now", "health"))

    async def check_undone(self, plan: Plan, reader: ClusterReader) -> Progress | None:
        return None


class UpdateService(ExternalAction):
    name = "update-service"
    undone_by: ClassVar[str] = "restore-service"
    title = "Update"
    parameters: tuple[Parameter, ...] = (
        Parameter("to", required=False, description="the new version; required if the service's `update` names {version}"),
    )

    async def read_values(self, request: Request, service: Service, reader: ClusterReader) -> dict[str, str]:
        version = request.parameters.get("to", "").strip()
        if not service.takes_version:
            if version:
                raise ActionRefused(f"`update` of {service.name} takes no version: it has no argument with {VERSION}")
            return {}
        if not _VERSION.fullmatch(version):
            found = f"{visible(version)[:40]!r} is not one" if version else "none was given"
            raise ActionRefused(f"`update` of {service.name} needs a version, such as 1.9.0; {found}")
        return {VERSION: version}

    def plan(self, request: Request, facts: ExternalFacts, now: float) -> Plan:
        service, values = facts.service, facts.values
        steps = [describe_step(service, step, values) for step in ("backup", "update", *_PROOF)]
        undo = [describe_step(service, step, values) for step in ("restore", *_PROOF)]
        version = values.get(VERSION, "")
        return Plan(
            request=request,
            title=f"Update {service.name}{f' to {version}' if version else ''}",
            subject=request.target,
            differences=(Difference("version", "the one that runs now", version or "the one that `update` installs"),),
            notes=(
                "a backup that fails changes nothing: nothing is updated",
                f"if a later step fails: {_join(undo)}",
                *_describe_limits(service),
            ),
            command=_join(steps),
            confirm_word=service.name,
            body={"service": service.name, "values": dict(values)},
            digest=plan_digest(self.name, service.name, steps, undo, list(service.env_files), facts.last_run),
            undo=ActionCall(RestoreService.name, request.target),
            verify_with=service,
        )

    async def preflight(
        self, plan: Plan, facts: ExternalFacts, reader: ClusterReader, writer: ChangeWriter
    ) -> tuple[PreflightCheck, ...]:
        checks = await ExternalAction.preflight(self, plan, facts, reader, writer)
        return (*checks, await check_unfinished(plan.subject, reader))

    async def carry_out(self, plan: Plan, reader: ClusterReader, writer: ChangeWriter) -> AsyncGenerator[StepReport, None]:
        await refuse_second_run(plan.subject, reader)
        service: Service = plan.verify_with
        steps = StepRun(service, plan.subject, writer, plan.body["values"])
        async for report in steps.run("backup"):
            yield report
        backup = steps.end.answer
        error = steps.end.error or (_backup_error(backup) if service.takes_backup else "")
        if error:
            yield StepReport("backup", f"failed, nothing was changed: backup: {error}", outcome=Outcome.FAILED)
            return
        steps.values[BACKUP] = backup
        failed = ""
        for step in ("update", *_PROOF):
            async for report in steps.run(step):
                yield report
            if steps.failed:
                failed = f"{step} failed: {steps.end.error}"
                break
        if not failed:
            text = f"{plan.title.lower()}: healthy{', and its smoke test passed' if service.command('smoke') else ''}"
            yield StepReport("", text, Stage.VERIFY, outcome=Outcome.DONE)
            return
        async for report in restore_backup(steps, service, failed, backup):
            yield report


class RestoreService(ExternalAction):
    name = "restore-service"
    title = "Restore"
    parameters = (
        Parameter(
            "backup",
            required=False,
            description="what to restore, as `backup` printed it (default: the last that succeeded, by the journal)",
        ),
    )

    async def read_values(self, request: Request, service: Service, reader: ClusterReader) -> dict[str, str]:
        backup = request.parameters.get("backup", "").strip()
        if not service.takes_backup:
            if backup:
                raise ActionRefused(f"`restore` of {service.name} takes no backup: it has no argument with {BACKUP}")
            return {}
        if not backup:
            ended = [event.data for event in await reader.list_steps(request.target) if event.data.get("state") == "done"]
            backup = next((str(data["answer"]) for data in ended if data.get("step") == "backup" and data.get("answer")), "")
        if not backup:
            raise ActionRefused(f"`restore` of {service.name} needs a backup, and the journal has none: give it")
        if error := _backup_error(backup):
            raise ActionRefused(f"`restore` of {service.name}: {error}")
        return {BACKUP: backup}

    def plan(self, request: Request, facts: ExternalFacts, now: float) -> Plan:
        service, values = facts.service, facts.values
        steps = [describe_step(service, step, values) for step in ("restore", *_PROOF)]
        return Plan(
            request=request,
            title=f"Restore {service.name}",
            subject=request.target,
            differences=(Difference("version", "the one that runs now", values.get(BACKUP) or "the one that `backup` saved"),),
            notes=("nothing is saved first, and nothing brings back what runs now", *_describe_limits(service)),
            command=_join(steps),
            confirm_word=service.name,
            body={"service": service.name, "values": dict(values)},
            digest=plan_digest(self.name, service.name, steps, list(service.env_files), facts.last_run),
            verify_with=service,
        )

    async def carry_out(self, plan: Plan, reader: ClusterReader, writer: ChangeWriter) -> AsyncGenerator[StepReport, None]:
        steps = StepRun(plan.verify_with, plan.subject, writer, plan.body["values"])
        async for report in steps.run_all(("restore", *_PROOF)):
            yield report
            last = report.step
        if steps.failed:
            yield StepReport("", f"failed: {last}: {steps.end.error}", outcome=Outcome.FAILED)
        else:
            yield StepReport(
                "", f"{plan.title.lower()}: healthy, and its smoke test passed", Stage.VERIFY, outcome=Outcome.DONE
            )


async def restore_backup(steps: StepRun, service: Service, failed: str, backup: str) -> AsyncGenerator[StepReport, None]:
    """Restores what `backup` saved, and proves it; the last report says where everything is if that fails."""
    last = "restore"
    async for report in steps.run_all(("restore", *_PROOF)):
        yield report
        last = report.step
    if not steps.failed:
        text = f"rolled back: {failed}; {service.name} was restored, is healthy, and its smoke test passed"
        yield StepReport("", text, Stage.VERIFY, outcome=Outcome.ROLLED_BACK)
        return
    where = f"the backup is {backup}" if backup else "the backup is where `backup` keeps it"
    state = "it is not restored" if last == "restore" else f"it was restored, but {last} failed"
    text = (
        f"rollback failed: {service.name} may be down: {failed}; then {last} failed: {steps.end.error}; {state}; {where}; "
        f"restore it by hand now: {describe_step(service, 'restore', steps.values)}"
    )
    yield StepReport("", text, Stage.VERIFY, outcome=Outcome.ROLLBACK_FAILED)


def _backup_error(backup: str) -> str:
    """Why this cannot be what `restore` gets as its argument; empty if it can."""
    if not backup:
        return f"it printed nothing, and `restore` needs its last line as {BACKUP}"
    if "(hidden" in backup or not backup.isprintable() or backup.startswith("-") or len(backup) > _LONGEST_BACKUP:
        return f"its last line cannot be an argument of `restore`: {visible(backup)[:80]!r}"
    return ""


def _describe_limits(service: Service) -> Iterable[str]:
    steps = [step for step in ("backup", "update", "restart", "health", "smoke", "restore") if describe_step(service, step)]
    yield "time limits: " + ", ".join(f"{step} {format_duration(service.limit_seconds(step))}" for step in steps)


def _join(commands: Iterable[str]) -> str:
    return " && ".join(filter(None, commands))


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name
        return "this user"
