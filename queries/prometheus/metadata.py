"""Prometheus' metric names, metadata, label values, targets and version.

Off the refresh path, with prometheus-api-client, which blocks: every call runs in a daemon thread.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import msgspec

from queries.concurrency import DaemonPool
from queries.errors import InvalidResponse, SourceError, TimedOut, Unreachable, partial_answer
from queries.http import error_mapping, wire_limit
from queries.http.body import Body
from queries.http.client import accept_encoding, parse_url
from queries.http.credentials import Credentials
from queries.http.endpoint import Endpoint
from queries.http.lean_httpx import httpx
from queries.http.proxy import proxy_for
from queries.model.annotations import NO_ANNOTATIONS, Annotations
from queries.model.frozen import dataclass
from queries.model.series import Labels
from queries.text.durations import format_duration

if TYPE_CHECKING:
    import requests
    from prometheus_api_client import PrometheusConnect

T = TypeVar("T")

_HINT = "check that the URL is this server's"
LIMIT_BYTES = 64 << 20
"""No list of names is larger; an endless response must not fill the memory."""


class _Annotated(msgspec.Struct):
    warnings: list[str] | None = None
    isPartial: bool = False


_ANNOTATED = msgspec.json.Decoder(_Annotated)


@dataclass(frozen=True, slots=True)
class Target:
    """One scrape target; `health` is up, down or unknown, `last_error` the error of its last scrape."""

    job: str
    url: str
    health: str
    last_error: str = ""
    labels: Labels = ()
    interval: str = ""
    """The scrape interval as Prometheus writes it; empty if the server is too old to report it."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """The metadata of a metric family: an OpenMetrics family has no `_total` in its name."""

    name: str
    type: str
    help: str = ""


class Discovery:
    """Slow queries for `doctor` and `check`. Every method raises SourceError, within the endpoint's timeout."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        url = parse_url(endpoint.url)
        user, password = (url.username, url.password) if url else ("", "")
        self._url = url.copy_with(userinfo=b"", query=None, fragment=None) if url else None
        self.where = str(self._url).rstrip("/") if self._url else "the URL of prometheus"
        self._credentials = Credentials(endpoint.http, where=self.where, username=user, password=password)
        self._encoding = accept_encoding(self._url.host if self._url else "")
        self._limit = wire_limit.WireLimit(seconds=0.0)
        self._pool = DaemonPool("discovery", threads=1)
        self._connection: PrometheusConnect | None = None

    async def metric_names(self) -> tuple[str, ...]:
        """Every metric name that has a series, sorted."""
        return await self.label_values("__name__")

    async def label_values(self, label: str, *, match: str = "") -> tuple[str, ...]:
        """The values of a label, sorted; `match` is a series selector."""

        def call(connection: PrometheusConnect) -> tuple[str, ...]:
            params = {"match[]": match} if match else None
            return tuple(sorted(str(item) for item in connection.get_label_values(quote(label, safe=""), params=params) or ()))

        return await self._run(call)

    async def label_names(self, match: str = "") -> tuple[str, ...]:
        """The label names of a selector's series, or of all series, sorted."""

        def call(connection: PrometheusConnect) -> tuple[str, ...]:
            params = {"match[]": match} if match else None
            return tuple(sorted(str(item) for item in connection.get_label_names(params=params) or ()))

        return await self._run(call)

    async def metadata(self, metric: str = "") -> tuple[Metadata, ...]:
        """Type and help text of every metric family, or of one."""

        def call(connection: PrometheusConnect) -> tuple[Metadata, ...]:
            found = connection.get_metric_metadata(metric)
            return tuple(Metadata(str(item["metric_name"]), str(item["type"]), str(item["help"])) for item in found)

        return await self._run(call)

    async def targets(self) -> tuple[Target, ...]:
        """The active scrape targets."""

        def call(connection: PrometheusConnect) -> tuple[Target, ...]:
            return tuple(_target(item) for item in connection.get_targets(state="active")["activeTargets"])

        return await self._run(call)

    async def version(self) -> str:
        """The server's version, from its build information."""

        def call(connection: PrometheusConnect) -> str:
            answer = connection._session.get(
                f"{connection.url}/api/v1/status/buildinfo", headers=connection.headers, timeout=self._endpoint.timeout_seconds
            )
            return str(answer.json()["data"]["version"])

        return await self._run(call)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._pool.close()

    async def _run(self, call: Callable[[PrometheusConnect], T]) -> T:
        try:
            async with asyncio.timeout(self._endpoint.timeout_seconds):
                return await self._pool.run(self._call, call)
        except TimeoutError:
            raise TimedOut(
                f"no complete answer within {format_duration(self._endpoint.timeout_seconds)}", where=self.where
            ) from None

    def _call(self, call: Callable[[PrometheusConnect], T]) -> T:
        import requests  # noqa: PLC0415 - slow to import, and only needed here
        import urllib3  # noqa: PLC0415 - as above

        host = self._url.host if self._url else ""
        try:
            if self._connection is None:
                self._connection = self._connect()
            self._connection.headers = dict(self._credentials.headers()) | {"Accept-Encoding": self._encoding}
            with wire_limit.WireLimit(seconds=self._endpoint.timeout_seconds) as self._limit:
                return call(self._connection)
        except (requests.Timeout, urllib3.exceptions.ReadTimeoutError, TimeoutError):
            raise TimedOut("no answer in time", where=self.where) from None
        except RecursionError:
            raise InvalidResponse("the answer is nested too deeply", where=self.where, hint=_HINT) from None
        except requests.exceptions.JSONDecodeError:
            raise InvalidResponse("the answer is not JSON", where=self.where, hint=_HINT) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            if wire_limit.exceeds_limit(error):
                raise InvalidResponse("the answer does not end", where=self.where, hint=_HINT) from None
            if isinstance(error, urllib3.exceptions.ProtocolError):
                raise InvalidResponse("the answer was cut off or damaged", where=self.where) from None
            raise error_mapping.from_causes(error, where=self.where, host=host) or Unreachable(
                "no connection", where=self.where, hint="check host, port and proxy"
            ) from None
        except (KeyError, TypeError, AttributeError, ValueError, httpx.InvalidURL):
            raise InvalidResponse("the response is not in Prometheus' format", where=self.where, hint=_HINT) from None

    def _connect(self) -> PrometheusConnect:
        """The client with our own session: access and proxy as on the refresh path, no retries, no environment."""
        import requests  # noqa: PLC0415  # costs 0.3 s, off the refresh path only
        from prometheus_api_client import PrometheusConnect  # noqa: PLC0415  # as above
        from urllib3.util import Retry  # noqa: PLC0415  # as above

        if self._url is None:
            raise Unreachable(f"{self.where} is not a URL", hint="write http://host:port or https://host")
        config = self._endpoint.http
        session = requests.Session()
        session.trust_env = False
        session.verify = not config.insecure_skip_verify and (config.ca_file or ssl.get_default_verify_paths().cafile or True)
        session.cert = (config.cert_file, config.key_file) if config.cert_file else None
        port = self._url.port or (443 if self._url.scheme == "https" else 80)
        if address := proxy_for(self._url.scheme, self._url.host, port, config, os.environ):
            session.proxies = {self._url.scheme: address}
        session.hooks["response"].append(self._check_response)
        connection = PrometheusConnect(
            url=self.where, session=session, retry=Retry(total=0), timeout=self._endpoint.timeout_seconds
        )
        for scheme in ("http://", "https://", self.where):  # the client mounts its own adapters
            session.mount(scheme, _adapter(config.server_name))
        return connection

    def _check_response(self, answer: requests.Response, **_options: Any) -> None:
        """Inspect every response before the client does. Raises SourceError for anything but JSON with status 200."""
        try:
            error = self._error_of(answer, self._read_body(answer))
            if error is not None:
                raise self._credentials.redact_error(error)
        except BaseException:
            answer.close()
            raise

    def _read_body(self, answer: requests.Response) -> bytes:
        """Read the body here, so that the server controls neither its size nor its duration."""
        headers = {name.lower(): value for name, value in answer.headers.items()}
        body = Body(headers, limit_bytes=LIMIT_BYTES, where=self.where, accepted=self._encoding, status=answer.status_code)
        wire_limit.read_limited(answer.raw, body, self._limit)
        answer._content = body.whole()  # `content` and `json()` return this from now on
        answer.encoding = "utf-8"  # else requests guesses it from every byte
        return answer._content

    def _find_gap(self, body: bytes) -> SourceError | None:
        """The error for a partial response; the client library drops its warnings."""
        if b'"warnings"' not in body and b'"isPartial"' not in body:
            return None
        missing = _parse_annotations(body).partial
        return partial_answer(missing, where=self.where) if missing else None

    def _error_of(self, answer: requests.Response, body: bytes) -> SourceError | None:
        if answer.is_redirect and self._url is not None:
            target = httpx.URL(answer.url).join(answer.headers["location"])
            if (target.scheme, target.host, target.port) == (self._url.scheme, self._url.host, self._url.port):
                return None
            return error_mapping.from_redirect(answer.status_code, target, origin=self._url, where=self.where, followed=False)
        if answer.status_code == 200 and answer.headers.get("content-type", "").startswith("application/json"):
            return self._find_gap(body)
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return error_mapping.from_response(answer.status_code, headers, body[: 64 << 10], where=self.where, now=time.time())


def _parse_annotations(body: bytes) -> Annotations:
    """The server's annotations of its response; none if the body is in another format, which is reported elsewhere."""
    try:
        found = _ANNOTATED.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return NO_ANNOTATIONS
    return Annotations.read(found.warnings or (), (), is_partial=found.isPartial)


def _target(item: dict[str, Any]) -> Target:
    labels = tuple(sorted((str(name), str(value)) for name, value in item.get("labels", {}).items()))
    return Target(
        job=str(dict(labels).get("job", item.get("scrapePool", ""))),
        url=str(item.get("scrapeUrl", "")).partition("?")[0],
        health=str(item.get("health", "unknown")),
        last_error=str(item.get("lastError", "")),
        labels=labels,
        interval=str(item.get("scrapeInterval", "")),
    )


def _adapter(name: str) -> requests.adapters.HTTPAdapter:
    """An adapter with limited responses; `name`, if set, is the server name for SNI and the certificate check."""
    from requests.adapters import HTTPAdapter  # noqa: PLC0415  # as above

    more: dict[str, Any] = {"server_hostname": name, "assert_hostname": name} if name else {}

    class Limited(HTTPAdapter):
        def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
            super().init_poolmanager(connections, maxsize, block, **options, **more)
            wire_limit.limit_pools(self.poolmanager)

        def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
            manager = super().proxy_manager_for(*args, **options)
            wire_limit.limit_pools(manager)
            return manager

    return Limited(max_retries=0)
