"""A Prometheus of a few sentences behind a transport: it knows whole expressions and understands the joined form."""

from __future__ import annotations

import re
from urllib.parse import parse_qs

import httpx

from queries.http.endpoint import Endpoint
from queries.prometheus.client import Prometheus
from queries.prometheus.query_batch import BATCH_LABEL

NOW = 1_800_000_000.0
Series = list[tuple[dict[str, str], str]]


def plain(query: str) -> str:
    """The expression whose worst value of each step a query reads, from stored samples or computed; else the query itself."""
    stored = re.fullmatch(r"(?:max|min|sum)?\s*\(*(?:max|min)_over_time\((\w+)\[\w+\]\)(?: or \1)?\)*", query)
    computed = re.fullmatch(r"(?:max|min)_over_time\(\(\n(?:sum\(\n)?(.*?)(?:\n\))?\n\)\[\w+:\w+\]\)", query, re.S)
    found = stored or computed
    return found[1] if found else query


class FakePrometheus:
    """Knows whole expressions and their series; understands the joined form. `refuses` are expressions that are bad."""

    def __init__(self) -> None:
        self.series: dict[str, Series] = {}
        self.hours: dict[str, list[tuple[float, str]]] = {}
        self.refuses: dict[str, tuple[int, str]] = {}
        self.refuses_joined = False
        self.asked: list[tuple[str, str, str]] = []
        self.steps: list[float] = []
        """The step of each range query, in seconds."""
        self.then: dict[str, Series] = {}
        """What an expression gave at an earlier time, where a question names one."""
        self.now = NOW
        self.groups: list[dict[str, object]] = []
        """The groups of rules, as /api/v1/rules lists them."""
        self.extra: dict[str, object] = {}
        """What every answer has beside its data: warnings, infos, isPartial."""

    def source(self) -> Prometheus:
        return Prometheus(Endpoint("http://prometheus"), transport=httpx.MockTransport(self.answer), clock=lambda: self.now)

    def take(self) -> list[tuple[str, str]]:
        """The requests since the last look: kind, and whether it was joined or alone."""
        taken = [(kind, "joined" if f'"{BATCH_LABEL}"' in query else "alone") for _, kind, query in self.asked]
        self.asked.clear()
        return taken

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/rules"):
            return httpx.Response(200, json={"status": "success", "data": {"groups": self.groups}})
        if not request.url.path.endswith(("/query", "/query_range")):
            return httpx.Response(404, text="404 page not found")
        raw = request.content.decode() if request.method == "POST" else request.url.query.decode()
        asked = parse_qs(raw)
        query = asked["query"][0]
        known = self.then if "time" in asked and float(asked["time"][0]) < self.now - 60.0 else self.series
        kind = request.url.path.rpartition("/")[2]
        self.asked.append((request.method, kind, query))
        self.steps += [float(step) for step in asked.get("step", ())]
        found = re.findall(rf'label_replace\(\n(.*?)\n, "{BATCH_LABEL}", "([^"]*)", "", ""\)', query, re.S)
        if found and self.refuses_joined:
            return self.refusal(422, "execution", "too many samples")
        parts: list[tuple[str, str | None]] = [(text, key) for text, key in found] if found else [(query, None)]
        result = []
        for text, key in parts:
            for bad, (status, error_type) in self.refuses.items():
                if bad in text:
                    return self.refusal(status, error_type, f"1:3: cannot evaluate {bad}")
            mark = {} if key is None else {BATCH_LABEL: key}
            finite = re.sub(r"\)\nor topk by \(__name__\) \(1, .*$", ")", text, flags=re.S)
            inner = re.sub(
                r"^(?:max|min|sum|(?:top|bottom)k by \(__name__\) )\((?:\d+,)?\n(.*)\n\)$", r"\1", finite, flags=re.S
            )
            inner = plain(inner) if kind == "query_range" else inner
            if kind == "query_range":
                values = [[at, value] for at, value in self.hours.get(inner, [])]
                result += [{"metric": mark, "values": values}] if values else []
            else:
                result += [{"metric": {**labels, **mark}, "value": [self.now, value]} for labels, value in known.get(inner, [])]
        shape = "matrix" if kind == "query_range" else "vector"
        return httpx.Response(200, json={"status": "success", "data": {"resultType": shape, "result": result}, **self.extra})

    @staticmethod
    def refusal(status: int, error_type: str, words: str) -> httpx.Response:
        return httpx.Response(status, json={"status": "error", "errorType": error_type, "error": words})
