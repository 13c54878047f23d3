"""Rotate a token: the old one is withdrawn only after every consumer has the new one and has used it."""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from console.actions.action import ChangeWriter, ClusterReader, Parameter, Progress
from console.actions.change_steps import ChangeSteps, check_restart, plan_restart
from console.actions.deployment_state import DeploymentState
from console.actions.external import (
    StepRun,
    check_programs,
    check_unfinished,
    describe_step,
    find_last_run,
    refuse_second_run,
)
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
from console.actions.reconcilers import owners
from console.config.services import EXTERNAL, TOKEN, Service, Token
from queries.errors import SourceError
from queries.model.frozen import dataclass
from queries.model.text import visible
from queries.text.secrets import SecretText

_BYTES = 32
"""Of a token that the console makes itself, before it is encoded."""
_BY_CONSOLE = "the console makes it"
_MOST = 8 << 10
"""Characters of a token."""
_SECRET_PREFIX = "secret/"  # noqa: S105  # the kind of a consumer


@dataclass(frozen=True, slots=True)
class Copy:
    """The token at one consumer: `secret/NAME/KEY` or a path. `ending` is the white space after the value, which stays.

    `version` changes when somebody writes the copy; `owners` may write it again.
    """

    place: str
    value: SecretText
    ending: str
    version: str
    owners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """The token with its copies, and the new one if a file has it.

    `restarts` are the plans of the workloads, for the preview; `services` the consumers outside the cluster.
    """

    token: Token
    copies: tuple[Copy, ...]
    read: SecretText | None
    restarts: tuple[tuple[Plan, DeploymentState], ...]
    services: tuple[Service, ...]
    last_run: str = ""

    @property
    def old(self) -> SecretText:
        return self.copies[0].value


class RotateToken:
    name = "rotate-token"
    title = "Rotate"
    target_kind = TOKEN
    kinds: ClassVar[tuple[str, ...]] = ()
    expects_recovery = False
    parameters: tuple[Parameter, ...] = ()

    async def fetch_facts(self, request: Request, reader: ClusterReader) -> TokenFacts:
        kind, _, name = request.target.partition("/")
        token = reader.token(name)
        if kind != TOKEN or token is None:
            raise ActionRefused(f"there is no token {visible(name)[:80]!r}; name it under `tokens` of the environment")
        copies = [await _read_secret(reader, item) for item in token.secrets]
        copies += [await asyncio.to_thread(_read_file, path) for path in token.files]
        old = copies[0]
        for copy in copies:
            if copy.value != old.value:
                raise ActionRefused(f"{copy.place} holds another token than {old.place}: make them equal first")
        new = (await asyncio.to_thread(_read_file, token.read)).value if token.read else None
        if new == old.value:
            raise ActionRefused(f"nothing to do: the consumers already have the token in {token.read}")
        restarts = [await plan_restart(target, request, reader, time.time()) for target in token.workloads]
        names = (item.partition("/")[2] for item in token.restart if item.startswith(f"{EXTERNAL}/"))
        services = tuple(filter(None, map(reader.external_service, names)))
        return TokenFacts(token, tuple(copies), new, tuple(restarts), services, await find_last_run(request.target, reader))

    def plan(self, request: Request, facts: TokenFacts, now: float) -> Plan:
        token, places = facts.token, [copy.place for copy in facts.copies]
        source = describe_step(token, "make") or (f"read {token.read}" if token.read else _BY_CONSOLE)
        smoke, withdraw = describe_step(token, "smoke"), describe_step(token, "withdraw")
        restarts = [f"restart {target}" for target in token.restart]
        steps = [source, describe_step(token, "register"), *(f"write {place}" for place in places), *restarts, smoke, withdraw]
        return Plan(
            request=request,
            title=f"Rotate {request.target}",
            subject=request.target,
            differences=(
                Difference("new token", "-", source),
                Difference("written to", "-", ", ".join(places)),
                *((Difference("restarted", "-", ", ".join(token.restart)),) if token.restart else ()),
            ),
            notes=(
                "no value is shown, logged or journalled; programs read a token from standard input",
                "the old token is withdrawn last, after the smoke test with the new one; until then both work",
                f"if a step before that fails: the old token back to every consumer, {'restarts, ' if restarts else ''}{smoke}",
                f"to withdraw: {withdraw}",
            ),
            command=", then ".join(filter(None, steps)),
            confirm_word=token.name,
            body={"token": token.name, "consumers": places, "restart": list(token.restart)},
            digest=plan_digest(
                self.name,
                token.name,
                steps,
                [copy.version for copy in facts.copies],
                [plan.digest for plan, _ in facts.restarts],
                facts.last_run,
            ),
            verify_with=facts,
        )

    async def preflight(
        self, plan: Plan, facts: TokenFacts, reader: ClusterReader, writer: ChangeWriter
    ) -> tuple[PreflightCheck, ...]:
        token = facts.token
        checks = [*await asyncio.to_thread(check_programs, token, dict(token.commands))]
        checks.append(await check_unfinished(plan.subject, reader))
        for service in facts.services:
            found = await asyncio.to_thread(check_programs, service, ("restart", "health"))
            checks += [replace(item, text=f"{service.name}: {item.text}") for item in found if item.level is not CheckLevel.OK]
        for place in token.secrets:
            name, _, key = place.partition("/")
            allowed, why = await reader.may("patch", "secrets", name=name)
            if not allowed:
                text = f"you may not patch the Secret {name}: {why or 'no rule allows it'}"
                checks.append(PreflightCheck(CheckLevel.BLOCK, text, "access review"))
                continue
            try:
                # A write of the value that is there is none: an immutable Secret accepts it.
                await writer.write_secret(name, key, SecretText(secrets.token_hex(_BYTES)), dry_run=True)
            except SourceError as error:
                checks.append(PreflightCheck(CheckLevel.BLOCK, f"the server rejects a change of {place}: {error}", "dry run"))
            else:
                checks.append(PreflightCheck(CheckLevel.OK, f"the server accepts a change of secret/{place}", "dry run"))
        for copy in facts.copies:
            for owner in copy.owners:
                text = f"{owner} also sets {copy.place} and may bring the old token back: rotate it there, if it does"
                checks.append(PreflightCheck(CheckLevel.WARN, text, "owner"))
        for path in token.files:
            if await asyncio.to_thread(_is_replaceable, path):
                checks.append(PreflightCheck(CheckLevel.OK, f"{path} can be replaced", "permissions"))
            else:
                text = f"{path} cannot be replaced: you may not write to its folder"
                checks.append(PreflightCheck(CheckLevel.BLOCK, text, "permissions"))
        for restart, state in facts.restarts:
            checks += await check_restart(restart, state, reader, writer)
        return tuple(checks)

    def carry_out(self, plan: Plan, reader: ClusterReader, writer: ChangeWriter) -> AsyncGenerator[StepReport, None]:
        return _Rotation(plan, reader, writer).run()

    async def check_undone(self, plan: Plan, reader: ClusterReader) -> Progress | None:
        return None


class _Rotation:
    """One rotation: how far it got decides what has to be brought back."""

    def __init__(self, plan: Plan, reader: ClusterReader, writer: ChangeWriter) -> None:
        self.plan, self.reader, self.writer = plan, reader, writer
        self.facts: TokenFacts = plan.verify_with
        self.token = self.facts.token
        self.new: SecretText | None = self.facts.read
        self.written: list[Copy] = []
        """Consumers that may have the new token."""
        self.restarted: list[str] = []
        """Those that may have been restarted with it."""
        self.steps = ChangeSteps(plan.request, reader, writer)

    @property
    def end(self) -> StepEnd:
        """How the last step ended."""
        return self.steps.end

    async def run(self) -> AsyncGenerator[StepReport, None]:
        last = ""
        await refuse_second_run(self.plan.subject, self.reader)
        self.writer.hide(*(copy.value for copy in self.facts.copies), *([self.new] if self.new else []))
        for part in (self._make, self._hand_out, self._smoke_new):
            async with aclosing(part()) as reports:
                async for report in reports:
                    yield report
                    last = report.step
            if self.end.error:
                async with aclosing(self._undo(f"{last} failed: {self.end.error}")) as reports:
                    async for report in reports:
                        yield report
                return
        async with aclosing(self._withdraw_old()) as reports:
            async for report in reports:
                yield report

    async def _make(self) -> AsyncGenerator[StepReport, None]:
        """The new token, which the issuer accepts beside the old one."""
        command = describe_step(self.token, "make")
        if command:
            async for report in self.steps.run("make", self._run_make, command=command):
                yield report
            self.new = self.end.secret
        elif not self.token.read:
            # Hexadecimal: one that began with a hyphen would be an option to many programs.
            self.new = SecretText(secrets.token_hex(_BYTES))
            self.writer.hide(self.new)
        if not self.end.error and self.new == self.facts.old:
            # It must never be withdrawn as the new one.
            self.new, self.steps.end = None, StepEnd("it is the old token")
        command = describe_step(self.token, "register")
        if command and not self.end.error:
            async for report in self.steps.run("register", lambda: self._program("register", self.new), command=command):
                yield report

    async def _hand_out(self) -> AsyncGenerator[StepReport, None]:
        """Every consumer gets the new token and is restarted."""
        for copy in self.facts.copies:
            self.written.append(copy)
            async for report in self.steps.run(f"write {copy.place}", partial(self._write_new, copy)):
                yield report
            if self.end.error:
                return
        for target in self.token.restart:
            self.restarted.append(target)
            async for report in self.steps.run(f"restart {target}", partial(self._restart, target)):
                yield report
            if self.end.error:
                return

    async def _smoke_new(self) -> AsyncGenerator[StepReport, None]:
        async for report in self._smoke("smoke", self.new):
            yield report

    async def _withdraw_old(self) -> AsyncGenerator[StepReport, None]:
        """The new token is in use and proved; from here on there is nothing to bring back."""
        command = describe_step(self.token, "withdraw")
        async for report in self.steps.run("withdraw", lambda: self._program("withdraw", self.facts.old), command=command):
            yield report
        if self.end.error:
            text = (
                f"failed: every consumer has the new token, and its smoke test passed, but the old one may still be valid: "
                f"withdraw: {self.end.error}; withdraw it by hand: {command}"
            )
            yield StepReport("", text, outcome=Outcome.FAILED)
            return
        async for report in self._smoke("smoke after withdrawal", self.new):
            yield report
        if self.end.error:
            text = (
                f"rollback failed: the consumers of {self.token.name} may have no valid token: the old one is withdrawn, and "
                f"then the smoke test with the new one failed: {self.end.error}; make a new token by hand now, for "
                f"{', '.join(copy.place for copy in self.facts.copies)}"
            )
            yield StepReport("", text, Stage.VERIFY, outcome=Outcome.ROLLBACK_FAILED)
            return
        text = "every consumer has the new token, its smoke test passed, and the old one is withdrawn"
        yield StepReport("", text, Stage.VERIFY, outcome=Outcome.DONE)

    # At a failure

    async def _undo(self, failed: str) -> AsyncGenerator[StepReport, None]:
        """The old token back to every consumer that may have the new one; it was never withdrawn."""
        errors = []
        for copy in self.written:
            async for report in self.steps.run(f"write back {copy.place}", partial(self._write, copy, copy.value)):
                yield report
            errors += [f"{copy.place} may still have the new one: {self.end.error}"] if self.end.error else []
        for target in self.restarted:
            async for report in self.steps.run(f"restart {target} again", partial(self._restart, target)):
                yield report
            errors += [f"{target} may still use the new one: {self.end.error}"] if self.end.error else []
        if self.written:
            async for report in self._smoke("smoke with the old token", self.facts.old):
                yield report
            errors += [f"the smoke test with the old one failed: {self.end.error}"] if self.end.error else []
        if errors:
            text = f"rollback failed: {failed}; both tokens are valid, none was withdrawn; {'; '.join(errors)}; act by hand now"
            yield StepReport("", text, Stage.VERIFY, outcome=Outcome.ROLLBACK_FAILED)
            return
        left = ""
        if self.new is not None and not self.token.read:
            command = describe_step(self.token, "withdraw")
            async for report in self.steps.run(
                "withdraw the new token", lambda: self._program("withdraw", self.new), command=command
            ):
                yield report
            left = "; the new one was withdrawn"
            if self.end.error:
                left = f"; the new one may still be valid: {self.end.error}; withdraw it by hand: {command}"
        if self.written:
            text = f"rolled back: {failed}; every consumer has the old token again, and its smoke test passed{left}"
            yield StepReport("", text, Stage.VERIFY, outcome=Outcome.ROLLED_BACK)
        else:
            text = f"failed, no consumer was changed: {failed}; the old token is in use{left}"
            yield StepReport("", text, outcome=Outcome.FAILED)

    # Steps

    async def _smoke(self, step: str, value: SecretText | None) -> AsyncGenerator[StepReport, None]:
        command = describe_step(self.token, "smoke")
        async for report in self.steps.run(step, lambda: self._program("smoke", value), command=command, stage=Stage.VERIFY):
            yield report

    async def _run_make(self) -> StepEnd:
        return await self.writer.run_program(self.plan.subject, "make", {}, secret=True)

    async def _program(self, step: str, value: SecretText | None) -> StepEnd:
        return await self.writer.run_program(self.plan.subject, step, {}, token=value)

    async def _write_new(self, copy: Copy) -> StepEnd:
        # The second key of one Secret comes after the first write, which gave it another version.
        name = copy.place.rpartition("/")[0]
        first = not any(item.place.rpartition("/")[0] == name for item in self.written[:-1])
        try:
            return await self._write(copy, self.new, copy.version if first else "")
        except SourceError as error:
            if error.fault.status == 409:
                # Nothing was written, and what somebody else wrote meanwhile must not be overwritten by the old token.
                self.written.remove(copy)
            raise

    async def _write(self, copy: Copy, value: SecretText | None, version: str = "") -> StepEnd:
        if value is None:
            return StepEnd("there is no token to write")
        content = SecretText(value.reveal() + copy.ending)
        if copy.place.startswith(_SECRET_PREFIX):
            name, _, key = copy.place.removeprefix(_SECRET_PREFIX).partition("/")
            await self.writer.write_secret(name, key, content, version=version)
        else:
            await self.writer.write_token_file(copy.place, content)
        return StepEnd()

    async def _restart(self, target: str) -> StepEnd:
        if target.startswith(f"{EXTERNAL}/"):
            return await self._restart_service(target)
        return await self.steps.restart(target, limit_seconds=self.token.limit_seconds("restart"))

    async def _restart_service(self, target: str) -> StepEnd:
        service = next(item for item in self.facts.services if f"{EXTERNAL}/{item.name}" == target)
        steps = StepRun(service, target, self.writer, {})
        async for _ in steps.run_all(("restart", "health")):
            pass
        return steps.end


async def _read_secret(reader: ClusterReader, key_path: str) -> Copy:
    """One key of a Secret. Raises SourceError and ActionRefused, without the value in their texts."""
    name, _, key = key_path.partition("/")
    place = f"{_SECRET_PREFIX}{key_path}"
    found = await reader.read("secrets", name)
    encoded = (found.get("data") or {}).get(key)
    if not isinstance(encoded, str) or not encoded:
        raise ActionRefused(f"the Secret {name} has no value for the key {key}")
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except ValueError:
        raise ActionRefused(f"{place} holds something that is not text") from None
    meta = found["metadata"]
    named = [f"{item.get('kind')} {item.get('name')}" for item in meta.get("ownerReferences") or ()]
    return _copy(place, text, str(meta["resourceVersion"]), (*named, *(item.name for item in owners(found))))


def _read_file(path: str) -> Copy:
    """Raises ActionRefused, without the value in its text."""
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            text = file.read(2 * _MOST)
        facts = Path(path).stat()
    except (OSError, UnicodeDecodeError):
        raise ActionRefused(f"the file {path} cannot be read as text: check its permissions") from None
    return _copy(path, text, f"{facts.st_ino} {facts.st_size} {facts.st_mtime_ns}")


def _copy(place: str, text: str, version: str, named: tuple[str, ...] = ()) -> Copy:
    value = text.rstrip()
    if not value or not value.isprintable() or len(value) > _MOST:
        raise ActionRefused(f"{place} does not hold one token on one line")
    return Copy(place, SecretText(value), text[len(value) :], version, named)


def _is_replaceable(path: str) -> bool:
    """It is replaced by another file in its folder, so that no reader sees a part of it."""
    return os.access(Path(path).resolve().parent, os.W_OK)
