"""What it costs the server and the wire that every figure is decided by evidence: the overview's refreshes of twelve minutes on
a Prometheus with our recording rules, against the same refreshes that read each panel's series and ask nothing else.
"""

from __future__ import annotations

import asyncio
import re
import statistics
from collections import Counter
from collections.abc import Mapping
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
_REFRESHES = 144  # twelve minutes: every part is due at least twice
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
    with told_servers(stage.place("evidence"), names=("ours",)) as told:
        url = told.urls["ours"]
        sent = Counter(asyncio.run(_refreshes(url, specs)))
        pairs = sorted(whole / bare for whole, bare in (_seconds_of_run(url, sent) for _ in range(_RUNS)))
        whole, bare = (
            sum(times * _size(url, change(query)) for query, times in sent.items()) / _REFRESHES
            for change in (str, _without_evidence)
        )
    if whole <= bare:
        raise AssertionError("no refresh held evidence")
    ratio, note = statistics.median(pairs), f"pairs {pairs[0]:.2f}–{pairs[-1]:.2f}"
    return [
        Figure("server time of a refresh with evidence ÷ without", ratio, "×", 1.3, note),
        Figure("bytes of a refresh with evidence ÷ without", whole / bare, "×", 1.3, f"{bare:.0f} B without"),
        Figure("requests of a refresh with evidence", sent.total() / _REFRESHES, "", 1.05, f"{sent.total()} in {_REFRESHES}"),
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


def _seconds_of_run(url: str, sent: Mapping[str, int]) -> tuple[float, float]:
    """The server's own time for all refreshes, and for the same without evidence: each query of both in turn, once where a
    refresh has no evidence."""
    whole = bare = 0.0
    for query, times in sent.items():
        less = _without_evidence(query)
        took = _seconds(url, less)
        bare += times * took
        whole += times * (took if less == query else _seconds(url, query))
    return whole, bare


def _seconds(url: str, query: str) -> float:
    answer = httpx.post(f"{url}/api/v1/query", data={"query": query, "stats": "all"}, timeout=90.0, trust_env=False).json()
    if answer["status"] != "success":
        raise AssertionError(str(answer)[:500])
    return float(answer["data"]["stats"]["timings"]["execTotalTime"])


def _size(url: str, query: str) -> float:
    """The bytes of question and answer as they go over the wire."""
    answer = httpx.post(f"{url}/api/v1/query", data={"query": query}, timeout=90.0, trust_env=False)
    return float(answer.num_bytes_downloaded + len(urlencode({"query": query})))
