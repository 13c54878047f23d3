"""Servers that answer from what was stored of them: an HTTP transport that opens no connection."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from urllib.parse import parse_qs

import msgspec

from queries.http.lean_httpx import httpx
from queries.model.frozen import dataclass
from queries.prometheus.query_batch import BATCH_LABEL, BatchQuery, split_queries
from queries.stored.series import StoredQuery

NOT_STORED = "not known then: the bundle does not have this query"


@dataclass(frozen=True, slots=True)
class StoredServers:
    """What was stored. `rules` and `silences` are bodies as Prometheus and Alertmanager send them, None for none; `alerting` is
    the part of Prometheus' configuration that rewrites alerts, as JSON; `metadata` is by metric; `kept` is how long Prometheus
    kept samples.
    """

    queries: Mapping[str, tuple[StoredQuery, ...]]
    rules: bytes | None = None
    silences: bytes | None = None
    alerting: str = ""
    metadata: Mapping[str, object] = field(default_factory=dict)
    kept: str = ""
    log_queries: Mapping[str, tuple[StoredQuery, ...]] = field(default_factory=dict)
    """Metric queries over logs, as Loki answered them."""


class StoredTransport(httpx.AsyncBaseTransport):
    """Answers the requests that a past moment needs; everything else with 404."""

    def __init__(self, servers: StoredServers) -> None:
        self._servers = servers

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        params = {name: values[-1] for name, values in parse_qs(request.url.query.decode()).items()}
        if request.method == "POST":
            form = await request.aread()
            params |= {name: values[-1] for name, values in parse_qs(form.decode()).items()}
        status, body = self._answer(request.url.path, params)
        return httpx.Response(status, content=body, headers={"content-type": "application/json"})

    def _answer(self, path: str, params: Mapping[str, str]) -> tuple[int, bytes]:
        stored = self._servers
        match path:
            case "/api/v1/query":
                return self._query(params)
            case "/api/v1/query_range":
                return self._range(params)
            case "/loki/api/v1/query":
                return self._count(params)
            case "/loki/api/v1/query_range":
                return self._count_range(params)
            case "/api/v1/rules" if stored.rules is not None:
                return 200, stored.rules
            case "/api/v1/status/config":
                return _success({"yaml": stored.alerting})
            case "/api/v1/status/runtimeinfo":
                return _success({"storageRetention": stored.kept})
            case "/api/v1/metadata":
                metric = params.get("metric", "")
                return _success({metric: stored.metadata[metric]} if metric in stored.metadata else {})
            case "/api/v2/silences" if stored.silences is not None:
                return 200, stored.silences
        return 404, msgspec.json.encode({"status": "error", "errorType": "not_found", "error": "not in the bundle"})

    def _query(self, params: Mapping[str, str]) -> tuple[int, bytes]:
        moment = float(params.get("time", "nan"))
        result = []
        for part in split_queries(params.get("query", "")):
            found = self._find(part, math.inf)
            if found is None or found.error:
                return _refuse(part, found)
            for labels, value in found.at(moment):
                result.append({"metric": _name(labels, part), "value": (moment, _format(value))})
        return _success({"resultType": "vector", "result": result})

    def _range(self, params: Mapping[str, str]) -> tuple[int, bytes]:
        start, end, step = (float(params.get(name, "nan")) for name in ("start", "end", "step"))
        if not (step > 0 and math.isfinite(end - start)):
            return 400, b'{"status":"error","errorType":"bad_data","error":"no range"}'
        result = []
        for part in split_queries(params.get("query", "")):
            found = self._find(part, step)
            if found is None or found.error:
                return _refuse(part, found)
            for labels, points in found.between(start, end, step):
                values = [(at, _format(value)) for at, value in points]
                result.append({"metric": _name(labels, part), "values": values})
        return _success({"resultType": "matrix", "result": result})

    def _count(self, params: Mapping[str, str]) -> tuple[int, bytes]:
        """As Loki, whose errors are plain text: a metric query at one time. Times are sent in nanoseconds."""
        moment = float(params.get("time", "nan")) / 1e9
        found = next(iter(self._servers.log_queries.get(params.get("query", ""), ())), None)
        if found is None or found.error or found.grid.place(moment) is None:
            return _refuse_count(found)
        result = [{"metric": dict(labels), "value": (moment, _format(value))} for labels, value in found.at(moment)]
        return _success({"resultType": "vector", "result": result})

    def _count_range(self, params: Mapping[str, str]) -> tuple[int, bytes]:
        """The same over a range; one of which nothing was stored is refused, it is not without lines."""
        start, end = (float(params.get(name, "nan")) / 1e9 for name in ("start", "end"))
        step = float(params.get("step", "nan"))
        found = next(iter(self._servers.log_queries.get(params.get("query", ""), ())), None)
        if (
            found is None
            or found.error
            or not (step > 0 and start < found.grid.end + found.grid.step and end >= found.grid.start)
        ):
            return _refuse_count(found)
        rows = found.between(start, end, step)
        result = [{"metric": dict(labels), "values": [(at, _format(value)) for at, value in points]} for labels, points in rows]
        return _success({"resultType": "matrix", "result": result})

    def _find(self, part: BatchQuery, step: float) -> StoredQuery | None:
        """The stored query; of several grids the finest, for a range one that has its step."""
        known = self._servers.queries.get(part.query, ())
        return next((item for item in known if item.grid.step == step), known[0] if known else None)


def _name(labels: tuple[tuple[str, str], ...], part: BatchQuery) -> dict[str, str]:
    return {**dict(labels), BATCH_LABEL: part.key} if part.key else dict(labels)


def _refuse(part: BatchQuery, found: StoredQuery | None) -> tuple[int, bytes]:
    reason = found.error if found is not None else NOT_STORED
    return 422, msgspec.json.encode({"status": "error", "errorType": "execution", "error": reason})


def _refuse_count(found: StoredQuery | None) -> tuple[int, bytes]:
    return 400, ((found.error if found is not None else "") or NOT_STORED).encode()


def _success(data: object) -> tuple[int, bytes]:
    return 200, msgspec.json.encode({"status": "success", "data": data})


def _format(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
