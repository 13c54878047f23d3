"""The only code that changes anything outside: patches to Deployments, silences in Alertmanager, updates to channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from console.config.settings import Channel, Settings
from queries.errors import AccessDenied, InvalidResponse, NotConfigured, SourceError
from queries.http.client import Client
from queries.http.endpoint import Endpoint, parse_credentials
from queries.http.redact import find_secrets, redact_error
from queries.kubernetes.api import quote_segment
from queries.kubernetes.client import Kubernetes
from queries.model.fault import Fault, FaultKind

FIELD_MANAGER = "cad-console"
PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"


class Writer:
    """Sends every change. With `settings.read_only` its clients allow only GETs, access reviews and dry runs.

    It never retries. Raises SourceError, and PermissionError under read-only.
    """

    def __init__(self, settings: Settings) -> None:
        self._read_only = settings.read_only
        self._channels = settings.incidents
        self._namespace = settings.namespace
        self._kubernetes = Kubernetes(settings.kubernetes, read_only=settings.read_only) if settings.kubernetes else None
        self._peers = tuple(
            Client(endpoint, name="alertmanager", writes=not settings.read_only) for endpoint in settings.alertmanagers
        )

    async def patch(
        self, resource: str, name: str, body: object, *, subresource: str = "", content_type: str, dry_run: bool = False
    ) -> dict[str, Any]:
        """One PATCH in the apps group; returns the resulting object."""
        if self._kubernetes is None:
            raise NotConfigured("Kubernetes is not configured", hint="set KUBECONFIG or --kubeconfig")
        path = f"/apis/apps/v1/namespaces/{quote_segment(self._kubernetes.namespace)}/{resource}/{quote_segment(name)}"
        query = [("fieldManager", FIELD_MANAGER), *([("dryRun", "All")] if dry_run else [])]
        full_path = f"{path}/{subresource}" if subresource else path
        return await self._kubernetes.call_object("PATCH", full_path, query, body, {"Content-Type": content_type})

    async def post_silence(self, silence: dict[str, Any]) -> str:
        """Creates or replaces a silence on the first peer that responds; returns the id that the server chose."""
        peer = await self._peer()
        answer = await peer.send("POST", "/api/v2/silences", json=silence)
        identity = answer.get("silenceID") if isinstance(answer, dict) else None
        if not isinstance(identity, str) or not identity:
            raise InvalidResponse("Alertmanager returned no id for the silence", where=peer.where)
        return identity

    async def expire_silence(self, identity: str) -> None:
        await (await self._peer()).send("DELETE", f"/api/v2/silence/{quote_segment(identity)}")

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

    async def close(self) -> None:
        if self._kubernetes is not None:
            await self._kubernetes.close()
        for peer in self._peers:
            await peer.close()

    async def _peer(self) -> Client:
        """The first peer that answers a GET; a failed write is not repeated on the next one."""
        if self._read_only:
            raise PermissionError("read-only: nothing will be sent")
        failure: SourceError = NotConfigured("Alertmanager is not configured", hint="set ALERTMANAGER_URL")
        for peer in self._peers:
            try:
                await peer.get("/api/v2/status", type=dict[str, Any])
            except SourceError as error:
                failure = error
                continue
            return peer
        raise failure


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
    """The server answered that it did not apply the write."""
    return fault.status is not None and 400 <= fault.status < 500 and fault.status != 408


def describe_rejection(fault: Fault) -> str:
    """The server's reason with its status; a conflict is named as one."""
    if fault.status == 409:
        return f"conflict: modified since the preview (409); review again ({fault.sentence()})"
    return f"{fault.sentence()} ({fault.status})"
