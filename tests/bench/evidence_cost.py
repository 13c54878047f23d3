"""What it costs the server and the wire that every figure is decided by evidence: the overview's refreshes of three minutes on
a Prometheus with our recording rules, against the same refreshes that read each panel's series and ask nothing else.
"""

from __future__ import annotations

import asyncio
import re
import statistics
from urllib.parse import parse_qs, urlencode

import httpx
from figure import Figure
from stage import Stage
from told_events import told_servers

from queries.catalogue.loader import load_board
from queries.http.endpoint import Endpoint
from queries.model.panel import PanelSpec
from queries.prometheus.client import Prometheus
from queries.prometheus.evidence import EVIDENCE
from queries.prometheus.query_batch import BATCH_LABEL

_CADENCE_SECONDS = 5.0
_REFRESHES = 36
_RUNS = 5
_BETWEEN = "\nor label_replace(\n"


class _Kept(httpx.AsyncHTTPTransport):
    """Sends everything on and keeps the instant queries."""

    def __init__(self) -> None:
        super().__init__()
        self.queries: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/query"):
            body = request.content or request.url.query
            self.queries.append(parse_qs(body.decode())["query"][0])
        return await super().handle_async_request(request)


def measure(stage: Stage) -> list[Figure]:
    specs = tuple(spec for spec in load_board("overview") if spec.source == "prometheus")
    with told_servers(stage.place("evidence")) as told:
        url = told.urls["ours"]
        sent = asyncio.run(_refreshes(url, specs))
        costs = {query: (_cost(url, query), _cost(url, _without_evidence(query))) for query in dict.fromkeys(sent)}
    whole, bare = ([sum(costs[query][side][part] for query in sent) / _REFRESHES for part in (0, 1)] for side in (0, 1))
    if whole[1] <= bare[1]:
        raise AssertionError("no refresh held evidence")
    return [
        Figure("server time of a refresh with evidence ÷ without", whole[0] / bare[0], "×", 1.3, f"{bare[0]:.2f} ms without"),
        Figure("bytes of a refresh with evidence ÷ without", whole[1] / bare[1], "×", 1.3, f"{bare[1]:.0f} B without"),
        Figure("requests of a refresh with evidence", len(sent) / _REFRESHES, "", 1.05, f"{len(sent)} in {_REFRESHES}"),
    ]


def _without_evidence(query: str) -> str:
    """The same request without the parts that decide or doubt: what is left are the panels."""
    parts = query.split(_BETWEEN)
    kept = [part for part in parts if not re.search(rf'"{BATCH_LABEL}", "(?:witness/|{re.escape(EVIDENCE)}")', part)]
    return _BETWEEN.join(kept)


async def _refreshes(url: str, specs: tuple[PanelSpec, ...]) -> list[str]:
    """What the refreshes ask once everything was decided, by a clock that makes each of them five seconds."""
    transport, now = _Kept(), [1.0e9]
    source = Prometheus(Endpoint(url), transport=transport, clock=lambda: now[0])
    await source.rules()
    for _ in range(4):
        await source.panels(specs)
        now[0] += _CADENCE_SECONDS
    transport.queries.clear()
    for _ in range(_REFRESHES):
        await source.panels(specs)
        now[0] += _CADENCE_SECONDS
    await source.close()
    return transport.queries


def _cost(url: str, query: str) -> tuple[float, float]:
    """Median milliseconds of Prometheus' own clock, and the bytes of question and answer as they go over the wire."""
    times, size = [], 0
    for _ in range(_RUNS):
        answer = httpx.post(f"{url}/api/v1/query", data={"query": query, "stats": "all"}, timeout=90.0, trust_env=False).json()
        if answer["status"] != "success":
            raise AssertionError(str(answer)[:500])
        times.append(answer["data"]["stats"]["timings"]["execTotalTime"] * 1000)
        plain = httpx.post(f"{url}/api/v1/query", data={"query": query}, timeout=90.0, trust_env=False)
        size = plain.num_bytes_downloaded + len(urlencode({"query": query}))
    return statistics.median(times), float(size)
