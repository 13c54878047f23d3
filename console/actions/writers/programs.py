"""What leaves without a client: the programs of the config file, and files of tokens."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from console.actions.environment import build_environment, read_variables, secret_values
from console.actions.plan import ActionRefused, StepEnd
from console.actions.program import ANSWER_BYTES, Program, ProgramEnd
from console.config.settings import Settings
from queries.concurrency import DaemonPool
from queries.errors import NotConfigured
from queries.text.secrets import SecretText, encoded_forms, hide, redact_text

_LEAVES_PROCESSES = ("update", "restart", "restore")
"""Steps that start the service, which may run on as a process of theirs."""
_ATTEMPT_SECONDS = 10.0
"""The longest that one run of a `health` program takes."""
_OUTPUT_LINES, _OUTPUT_CHARACTERS = 20, 2000
_TOKEN_BYTES = 8 << 10
_SHORTEST = 4
"""Characters of what may be a token in the output of a program that should print nothing else."""
_WORD = re.compile(r"""[^\s"'`=:,;(){}<>\[\]]+""")


def require_writable(settings: Settings) -> None:
    """Raises PermissionError under read-only: before a program or a file, which no transport guards, and before a request whose
    way to the transport would read a secret or call a server first.
    """
    if settings.read_only:
        raise PermissionError("read-only: nothing will be sent")


class LocalWrites:
    """Starts programs and replaces files, neither under read-only; knows the secrets of its run, so that no text has them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._threads = DaemonPool("program", threads=2)
        self._hidden: set[str] = set()
        """Values that must be in no text of this run: those of environment files, and tokens."""

    async def run_program(
        self, target: str, step: str, values: Mapping[str, str], *, token: SecretText | None = None, secret: bool = False
    ) -> StepEnd:
        """Starts the configured program of a service or token, and waits for its end; its time limit is the step's.

        A cancelled call ends the program at once, with all its processes; only a `restore` runs on.
        """
        require_writable(self._settings)
        programs = self._settings.programs(target)
        command = programs.command(step) if programs is not None else ()
        if programs is None or not command:
            raise NotConfigured(f"{target} has no program for {step}", hint="set it in the config file")
        try:
            variables = await asyncio.to_thread(read_variables, programs)
        except ActionRefused as error:
            return StepEnd(str(error))
        self._hidden |= secret_values(variables)
        if token is not None:
            self.hide(token)
        limit = programs.limit_seconds(step)
        program = Program(
            [_fill(argument, values) for argument in command],
            environ=build_environment(variables),
            folder=programs.folder,
            limit_seconds=min(limit, _ATTEMPT_SECONDS) if step == "health" else limit,
            stdin=f"{token.reveal()}\n".encode() if token is not None else b"",
            leaves_processes=step in _LEAVES_PROCESSES,
        )
        try:
            end = await self._threads.run(program.run)
        except asyncio.CancelledError:
            if step != "restore":
                program.kill()
            raise
        return self._step_end(end, secret=secret)

    def hide(self, *values: SecretText) -> None:
        """From now on these are in no text of this run, whatever a program prints."""
        self._hidden |= {value.reveal().strip() for value in values if value} - {""}

    async def write_token_file(self, path: str, value: SecretText) -> None:
        """Replaces the file atomically. Raises OSError, and PermissionError under read-only."""
        require_writable(self._settings)
        self.hide(value)
        await self._threads.run(partial(_replace_file, Path(path), value))

    async def close(self) -> None:
        self._threads.close()

    def _step_end(self, end: ProgramEnd, *, secret: bool) -> StepEnd:
        made, error = None, end.error
        if secret:
            # Also where it failed or printed more than a token: one of these may be the token.
            text = end.stdout.decode("utf-8", "replace")
            parts = (*map(str.strip, text.splitlines()), *_WORD.findall(text))
            self._hidden |= {part for part in parts if len(part) >= _SHORTEST}
        if secret and not error:
            value = end.stdout.decode("utf-8", "replace").strip()
            if end.cut or not value or len(value) > _TOKEN_BYTES or not value.isprintable() or " " in value:
                error = "it printed something that is not one token on one line"
            else:
                made = SecretText(value)
                self.hide(made)
        if secret:
            # What was cut off may name the token, and nobody knows it then.
            shown = "" if end.cut else self._redact_output(end.stderr, cut=False)
        else:
            shown = self._redact_output(end.stdout, end.stderr, cut=end.cut)
        answer = "" if secret else self._redact_output(end.stdout, cut=end.cut).rpartition("\n")[2]
        return StepEnd(error, shown, answer, end.seconds, end.note, made)

    def _redact_output(self, *streams: bytes, cut: bool) -> str:
        """The last lines of what a program printed, without known secrets and without what looks like one."""
        lines: list[str] = []
        for stream in streams:
            text = hide(stream.decode("utf-8", "replace"), self._hidden)
            if cut and len(stream) >= ANSWER_BYTES:
                # It begins anywhere, so perhaps in the middle of a secret.
                text = text[max((len(form) for value in self._hidden for form in encoded_forms(value)), default=0) :]
            lines += [line for each in redact_text(text).splitlines() if (line := each.strip())]
        return "\n".join(lines[-_OUTPUT_LINES:])[-_OUTPUT_CHARACTERS:]


def _fill(argument: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        argument = argument.replace(name, value)
    return argument


def _replace_file(path: Path, value: SecretText) -> None:
    """A reader sees the old content or the new one, never a part; a link stays a link."""
    path = path.resolve()
    before = path.stat()
    descriptor, staging = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(value.reveal().encode())
            file.flush()
            os.fsync(file.fileno())
        with suppress(PermissionError):  # only root may give a file away
            os.chown(staging, before.st_uid, before.st_gid)
        Path(staging).chmod(before.st_mode & 0o7777)
        Path(staging).replace(path)
    except BaseException:
        Path(staging).unlink(missing_ok=True)
        raise
