"""What actions write with: Kubernetes, Alertmanager and the platform here, channels and programs in the modules beside."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import msgspec

from console.actions.writers.channels import deliver_update
from console.actions.writers.programs import LocalWrites, require_writable
from console.config.missing import ADMINISTRATION_HINT, missing_server
from console.config.services import EXTERNAL
from console.config.settings import Settings
from queries.errors import AccessDenied, InvalidResponse, NotConfigured, RequestRejected, SourceError
from queries.http.client import Client
from queries.http.endpoint import ClusterIdentity
from queries.http.health_check import probe_health
from queries.http.url_secrets import redact_error
from queries.kubernetes.api import Query, quote_segment, resource_path
from queries.kubernetes.client import Kubernetes
from queries.kubernetes.identity import fetch_identity
from queries.model.managing_tools import OWN_MANAGER
from queries.text.secrets import SecretText, encoded_forms

_DRY_RUN = (("dryRun", "All"),)
_TOO_MANY_SILENCES = "maximum number of silences"
_MERGE = "application/merge-patch+json"


class Writer(LocalWrites):
    """`console.actions.action.ChangeWriter` over the configured servers and programs.

    Under `settings.read_only` the transport of its clients passes only GETs, access reviews and dry runs, and no program
    starts. It never retries. Raises SourceError, and PermissionError under read-only.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
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
        require_writable(self._settings)
        target = self._settings.incidents.channel(channel)
        if target is None:
            raise NotConfigured(f"there is no channel {channel}", hint="name it under `channels` of the environment")
        await deliver_update(target, payload, read_only=self._settings.read_only)

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
        self.hide(value)
        try:
            await self.patch("secrets", name, {**body, "data": {key: encoded}}, content_type=_MERGE, dry_run=dry_run)
        except SourceError as error:
            raise redact_error(error, encoded_forms(value.reveal().strip()) | {encoded}, where=f"secret {name}") from None

    async def close(self) -> None:
        await super().close()
        if self._kubernetes is not None:
            await self._kubernetes.close()
        for client in (*self._peers, *([self._administration] if self._administration else [])):
            await client.close()

    async def _peer(self) -> Client:
        """The first peer that answers a GET; a failed write is not repeated on the next one."""
        require_writable(self._settings)
        failure: SourceError = missing_server("Alertmanager")
        for peer in self._peers:
            try:
                await peer.get("/api/v2/status", type=dict[str, Any])
            except SourceError as error:
                failure = error
                continue
            return peer
        raise failure
