"""A platform on loopback that answers headless commands with what a test tells it: Prometheus, Alertmanager and API in one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from page_server import Reply, Request, serve

Series = tuple[Mapping[str, str], str]


@dataclass
class ToldPlatform:
    """`vector` gives the series for a query; `pages` any other page, as a value for JSON or a (status, text) pair."""

    vector: Callable[[str], list[Series]] = lambda query: []
    then: Callable[[str, float], list[Series]] | None = None
    """The series for a query with a time of its own, Unix seconds; by default those of `vector`."""
    ranges: Callable[[str], list[dict[str, Any]]] = lambda query: []
    """The series of a range query, as Prometheus' API gives them."""
    pages: dict[str, Any] = field(default_factory=dict)
    queries: list[str] = field(default_factory=list)
    methods: set[str] = field(default_factory=set)
    paths: list[str] = field(default_factory=list)
    url: str = ""

    def environ(self, home: str) -> dict[str, str]:
        """The environment of a command that looks at this platform and at nothing else."""
        return {
            "HOME": home,
            "USER": "you",
            "PATH": "/usr/bin:/bin",
            "PROMETHEUS_URL": self.url,
            "ALERTMANAGER_URL": self.url,
            "CAD_ML_API_URL": self.url,
            "CAD_CONSOLE_ENVIRONMENT": "test",
        }

    def answer(self, path: str, query: str, time: str = "") -> tuple[int, str, str]:
        """Status, media type and body."""
        self.paths.append(path)
        if path in self.pages:
            page = self.pages[path]
            return (page[0], "text/plain", page[1]) if isinstance(page, tuple) else (200, "application/json", json.dumps(page))
        if path == "/api/v1/query":
            self.queries.append(query)
            found = self.then(query, float(time)) if time and self.then is not None else self.vector(query)
            result = [{"metric": dict(labels), "value": [1_800_000_000, value]} for labels, value in found]
            data: Any = {"resultType": "vector", "result": result}
        elif path == "/api/v1/query_range":
            data = {"resultType": "matrix", "result": self.ranges(query)}
        elif path == "/api/v1/rules":
            data = {"groups": []}
        elif path == "/api/v1/metadata":
            data = {}
        elif path.startswith("/api/v2/"):
            return 200, "application/json", "{}" if path == "/api/v2/status" else "[]"
        else:
            return 404, "text/plain", "404 page not found"
        return 200, "application/json", json.dumps({"status": "success", "data": data})


@contextmanager
def told_platform(**told: Any) -> Iterator[ToldPlatform]:
    """The server runs until the block ends, on a free port."""
    platform = ToldPlatform(**told)

    def answer(request: Request) -> Reply:
        platform.methods.add(request.method)
        asked = parse_qs(request.form)
        status, media, text = platform.answer(request.path, asked.get("query", [""])[0], asked.get("time", [""])[0])
        return Reply(text.encode(), status, {"Content-Type": media})

    with serve(answer) as platform.url:
        yield platform
