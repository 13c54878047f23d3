"""The only code that changes anything outside: Kubernetes, Alertmanager, channels, the platform's administration, and services
and tokens by the programs of the config file.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from console.actions.environment import build_environment, read_variables, secret_values
from console.actions.plan import ActionRefused, StepEnd
from console.actions.program import ANSWER_BYTES, Program, ProgramEnd
from console.config.missing import missing_server
from console.config.services import EXTERNAL
from console.config.settings import Channel, Settings
from queries.concurrency import DaemonPool
from queries.errors import AccessDenied, InvalidResponse, NotConfigured, RequestRejected, SourceError
from queries.http.client import Client
from queries.http.endpoint import ClusterIdentity, Endpoint, parse_credentials
from queries.http.health_check import probe_health
from queries.http.url_secrets import find_secrets, redact_error
from queries.kubernetes.api import Query, quote_segment, resource_path
from queries.kubernetes.client import Kubernetes
from queries.kubernetes.identity import fetch_identity
from queries.model.fault import Fault, FaultKind
from queries.model.managing_tools import OWN_MANAGER
from queries.text.secrets import SecretText, encoded_forms, hide, redact_value

_DRY_RUN = (("dryRun", "All"),)
_TOO_MANY_SILENCES = "maximum number of silences"
ADMINISTRATION_HINT = "name platform and administration.api_key_file in the environment of the config file"
PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"
_MERGE = "application/merge-patch+json"
_LEAVES_PROCESSES = ("update", "restart", "restore")
"""Steps that start the service, which may run on as a process of theirs."""
_ATTEMPT_SECONDS = 10.0
"""The longest that one run of a `health` program takes."""
_OUTPUT_LINES, _OUTPUT_CHARACTERS = 20, 2000
_TOKEN_BYTES = 8 << 10
_SHORTEST = 4
"""Characters of what may be a token in the output of a program that should print nothing else."""
_WORD = re.compile(r"""[^\s"'`=:,;(){}<>\[\]]+""")


class Writer:
    """Sends every change. With `settings.read_only` its clients allow only GETs, access reviews and dry runs.

    It never retries. Raises SourceError, and PermissionError under read-only.
    """

    def __init__(self, settings: Settings) -> None:
        self._read_only = settings.read_only
        self._settings = settings
        self._programs = DaemonPool("program", threads=2)
        self._hidden: set[str] = set()
        """Values that must be in no text of this run: those of environment files, and tokens."""
        self._channels = settings.incidents
        self._namespace = settings.namespace
        self._kubernetes = Kubernetes(settings.kubernetes, read_only=settings.read_only) if settings.kubernetes else None
        self._peers = tuple(
            Client(endpoint, name="alertmanager", writes=not settings.read_only) for endpoint in settings.alertmanagers
        )
        administration = settings.administration
        self._administration = (
            Client(administration, name="platform", writes=not settings.read_only)
            if administration and administration.url
            else None
        )

    async def patch(
        self,
        resource: str,
        name: str,
        body: object,
        *,
        subresource: str = "",
        content_type: str,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """One PATCH; returns the resulting object."""
        query = [("fieldManager", OWN_MANAGER), *(_DRY_RUN if dry_run else ())]
        return await self._send("PATCH", (resource, name, subresource), query, body, content_type)

    async def create(
        self, resource: str, body: object, *, name: str = "", subresource: str = "", dry_run: bool = False
    ) -> dict[str, Any]:
        """One POST; returns the new object, or the server's answer to a request about the object `name`."""
        query = [("fieldManager", OWN_MANAGER), *(_DRY_RUN if dry_run else ())]
        return await self._send("POST", (resource, name, subresource), query, body)

    async def delete(self, resource: str, name: str, options: Mapping[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        """One DELETE. A dry run stands in the body too: the API server ignores the query of a DELETE that has a body."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", **options, **({"dryRun": ["All"]} if dry_run else {})}
        return await self._send("DELETE", (resource, name, ""), _DRY_RUN if dry_run else (), body)

    async def _send(
        self, method: str, to: tuple[str, str, str], query: Query, body: object, content_type: str = "application/json"
    ) -> dict[str, Any]:
        """One request to a kind, an object of it, and a subresource; the latter two may be empty."""
        if self._kubernetes is None:
            raise missing_server("Kubernetes")
        resource, name, subresource = to
        path = resource_path(resource, self._kubernetes.namespace, name, subresource)
        return await self._kubernetes.call_object(method, path, query, body, {"Content-Type": content_type})

    async def cluster_identity(self) -> ClusterIdentity:
        """The cluster that a patch would reach, and the identity it would use."""
        if self._kubernetes is None:
            raise missing_server("Kubernetes")
        return await fetch_identity(self._kubernetes)

    async def post_silence(self, silence: dict[str, Any]) -> str:
        """Creates or replaces a silence on the first peer that responds; returns the id that the server chose."""
        peer = await self._peer()
        try:
            answer = await peer.send("POST", "/api/v2/silences", json=silence)
        except RequestRejected as error:
            if _TOO_MANY_SILENCES not in error.fault.what:
                raise
            hint = "expired silences count until --data.retention has passed; raise --silences.max-silences, or edit a silence"
            raise RequestRejected(error.fault.what, where=peer.where, hint=hint, status=error.fault.status) from None
        identity = answer.get("silenceID") if isinstance(answer, dict) else None
        if not isinstance(identity, str) or not identity:
            raise InvalidResponse("Alertmanager returned no id for the silence", where=peer.where)
        return identity

    async def expire_silence(self, identity: str) -> None:
        await (await self._peer()).send("DELETE", f"/api/v2/silence/{quote_segment(identity)}")

    async def call_platform(self, method: str, path: str, query: Query, body: object) -> str:
        """One call of the platform's administration; returns the answer as JSON without the keys."""
        if self._read_only:
            raise PermissionError("read-only: nothing will be sent")
        if self._administration is None:
            raise NotConfigured("the platform's administration is not configured", hint=ADMINISTRATION_HINT)
        try:
            answer = await self._administration.send(method, path, json=body, query=query)
        except AccessDenied as error:
            status, message = error.fault.status, error.fault.what.partition(" (")[2].removesuffix(")")
            hint = "check the files of administration.api_key_file and admin_token_file"
            what = f"{status} the platform refused the call{f': {message}' if message else ''}"
            raise AccessDenied(what, where=error.fault.where, hint=hint, status=status) from None
        return self._administration.redact(msgspec.json.encode(answer).decode())

    async def post_update(self, channel: str, payload: Mapping[str, Any]) -> None:
        """One POST to a configured channel. No error contains its URL or its key, whatever the server echoes."""
        if self._read_only:
            raise PermissionError("read-only: nothing will be sent")
        target = self._channels.channel(channel)
        if target is None:
            raise NotConfigured(f"there is no channel {channel}", hint="name it under `channels` of the environment")
        url = _read_secret(target.url, target.url_file, target) or (PAGERDUTY if target.kind == "pagerduty" else "")
        key = _read_secret(target.routing_key, target.routing_key_file, target)
        place = f"channel {channel}"
        bare, endpoint = _endpoint(url, target, place)
        client = Client(endpoint, name=place, writes=True)
        try:
            await client.deliver(bare, json={**payload, **({"routing_key": key} if key else {})})
        except SourceError as error:
            hidden = find_secrets(url if url != PAGERDUTY else "", key, endpoint.http.password)
            raise redact_error(error, hidden, where=place, hint="the update is kept; send it again from the incident") from None
        finally:
            await client.close()

    async def run_program(
        self, target: str, step: str, values: Mapping[str, str], *, token: SecretText | None = None, secret: bool = False
    ) -> StepEnd:
        """Starts the configured program of a service or token, and waits for its end; its time limit is the step's.

        A cancelled call ends the program at once, with all its processes; only a `restore` runs on.
        """
        if self._read_only:
            raise PermissionError("read-only: nothing will be sent")
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
            self._hidden.add(token.reveal())
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
            end = await self._programs.run(program.run)
        except asyncio.CancelledError:
            if step != "restore":
                program.kill()
            raise
        return self._step_end(end, secret=secret)

    def hide(self, *values: SecretText) -> None:
        """From now on these are in no text of this run, whatever a program prints."""
        self._hidden |= {value.reveal() for value in values if value}

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
                self._hidden.add(value)
        if secret:
            # What was cut off may name the token, and nobody knows it then.
            shown = "" if end.cut else self._scrub(end.stderr, cut=False)
        else:
            shown = self._scrub(end.stdout, end.stderr, cut=end.cut)
        answer = "" if secret else self._scrub(end.stdout, cut=end.cut).rpartition("\n")[2]
        return StepEnd(error, shown, answer, end.seconds, end.note, made)

    def _scrub(self, *streams: bytes, cut: bool) -> str:
        """The last lines, without secrets."""
        lines: list[str] = []
        for stream in streams:
            text = hide(stream.decode("utf-8", "replace"), self._hidden)
            if cut and len(stream) >= ANSWER_BYTES:
                # It begins anywhere, so perhaps in the middle of a secret.
                text = text[max((len(form) for value in self._hidden for form in encoded_forms(value)), default=0) :]
            lines += [redact_value("", line.strip()) for line in text.splitlines() if line.strip()]
        return "\n".join(lines[-_OUTPUT_LINES:])[-_OUTPUT_CHARACTERS:]

    async def check_health(self, service: str) -> str:
        """One GET of a service's health URL: why it is not healthy, empty if it answers 2xx with anything but a web page."""
        found = self._settings.service(service)
        if found is None or not found.health_url:
            raise NotConfigured(f"the service {service} has no health URL", hint="set `health` in the config file")
        return await probe_health(found.health_url, name=f"{EXTERNAL}/{service}")

    async def write_secret(self, name: str, key: str, value: SecretText, *, version: str = "", dry_run: bool = False) -> None:
        """Sets one key of a Secret; no error contains the value, whatever the server echoes."""
        body: dict[str, Any] = {"metadata": {"resourceVersion": version}} if version else {}
        encoded = base64.b64encode(value.reveal().encode()).decode()
        self._hidden.add(value.reveal().strip())
        try:
            await self.patch("secrets", name, {**body, "data": {key: encoded}}, content_type=_MERGE, dry_run=dry_run)
        except SourceError as error:
            raise redact_error(error, encoded_forms(value.reveal().strip()) | {encoded}, where=f"secret {name}") from None

    async def write_token_file(self, path: str, value: SecretText) -> None:
        if self._read_only:
            raise PermissionError("read-only: nothing will be sent")
        self._hidden.add(value.reveal().strip())
        await self._programs.run(partial(_replace_file, Path(path), value))

    async def close(self) -> None:
        self._programs.close()
        if self._kubernetes is not None:
            await self._kubernetes.close()
        for client in (*self._peers, *([self._administration] if self._administration else [])):
            await client.close()

    async def _peer(self) -> Client:
        """The first peer that answers a GET; a failed write is not repeated on the next one."""
        if self._read_only:
            raise PermissionError("read-only: nothing will be sent")
        failure: SourceError = missing_server("Alertmanager")
        for peer in self._peers:
            try:
                await peer.get("/api/v2/status", type=dict[str, Any])
            except SourceError as error:
                failure = error
                continue
            return peer
        raise failure


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


def _endpoint(url: str, channel: Channel, place: str) -> tuple[str, Endpoint]:
    """The URL without user and password, and the endpoint that sends them. Raises NotConfigured, without them in its text."""
    try:
        (username, password), parts = parse_credentials(url), urlsplit(url)
    except ValueError:
        raise NotConfigured("its URL is invalid", where=place, hint="write https://host/path") from None
    http, host = channel.http, parts.netloc.rpartition("@")[2]
    if username or password:
        if http.authorization_field:
            message = f"its URL contains user and password, and http_config.{http.authorization_field} is set too"
            raise NotConfigured(message, where=place, hint="keep one of them")
        http = replace(http, username=username, password=password)
    return urlunsplit(parts._replace(netloc=host)), Endpoint(f"{parts.scheme}://{host}", http, channel.timeout_seconds)


def _read_secret(value: str, file: str, channel: Channel) -> str:
    """The value itself, or the current content of its file."""
    if not file:
        return value
    try:
        with open(file, encoding="utf-8") as content:  # noqa: PTH123 - one line, read when it is needed
            return content.read().strip()
    except (OSError, UnicodeDecodeError):
        raise AccessDenied(
            f"the secret file of channel {channel.name} cannot be read",
            where=f"channel {channel.name}",
            hint="check its permissions",
        ) from None


def was_never_sent(fault: Fault) -> bool:
    """No connection was established, so the server cannot have seen the write; clients report a lost one as a timeout."""
    return fault.kind is FaultKind.NOT_CONFIGURED or (fault.kind is FaultKind.UNREACHABLE and fault.status is None)


def is_rejected(fault: Fault) -> bool:
    """The server answered that it did not apply the write: with a 4xx, or because an admission webhook did not answer."""
    if fault.status is None or fault.status == 408:
        return False
    return 400 <= fault.status < 500 or fault.kind is FaultKind.REJECTED


def describe_rejection(fault: Fault) -> str:
    """The server's reason with its status; a conflict is named as one."""
    if fault.status == 409:
        return f"conflict: modified since the preview (409); review again ({fault.sentence()})"
    return f"{fault.sentence()} ({fault.status})"
