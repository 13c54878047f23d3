"""What a live server stores and announces: names, types, native histograms, and the labels of what is asked about."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Iterable
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from loopback import http_answer

from queries.errors import SourceError
from queries.http.endpoint import Endpoint
from queries.prometheus.live_metric_catalog import fetch_metric_catalog
from queries.prometheus.metadata import Discovery
from queries.promql.metric_catalog import MetricCatalog, MetricInfo
from queries.promql.syntax import parse_promql


class Server:
    """Prometheus' answers to a discovery: names, metadata, and labels and values by metric."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.metadata: dict[str, str] = {}
        self.labels: dict[str, dict[str, list[str]]] = {}
        self.refused: set[str] = set()
        self.partial = ""
        self.asked: list[str] = []

    async def behave(self, head: bytes, writer: asyncio.StreamWriter) -> None:
        parts = urlsplit(head.split()[1].decode())
        path = unquote(parts.path).removeprefix("/api/v1/")
        match = parse_qs(parts.query).get("match[]", [""])[0]
        self.asked.append(f"{path} {match}".strip())
        if match in self.refused:
            writer.write(http_answer("400 Bad Request", b'{"status":"error","errorType":"bad_data","error":"invalid name"}'))
            return
        known = self.labels.get(match.strip("{}"), {})
        if path == "metadata":
            data: object = {name: [{"type": kind, "help": "", "unit": ""}] for name, kind in self.metadata.items()}
        elif path == "label/__name__/values":
            data = self.names
        elif path == "labels":
            data = ["__name__", *known]
        else:
            data = known[path.split("/")[1]]
        answer = {"status": "success", "data": data, **({"warnings": [self.partial]} if self.partial else {})}
        writer.write(http_answer("200 OK", json.dumps(answer).encode()))


def info(name: str, kind: str = "", *labels: str, **more: object) -> MetricInfo:
    return MetricInfo(name, frozenset(labels) if labels else None, type=kind, **more)  # type: ignore[arg-type]


async def fetch(
    serve: Callable[..., object], server: Server, *queries: str, known: Iterable[MetricInfo] = (),
    recorded: Collection[str] = (), now: Collection[str] = (),
) -> tuple[MetricCatalog, list[list[str]]]:  # fmt: skip
    """The catalogue, and each set of names that was looked for among the series of now."""
    looked: list[list[str]] = []

    async def exist_now(names: Collection[str]) -> Collection[str]:
        looked.append(list(names))
        return [name for name in names if name in now]

    started = await serve(server.behave)  # type: ignore[misc]
    discovery = Discovery(Endpoint(started.url, timeout_seconds=5.0))
    selectors = [item for query in queries for item in parse_promql(query).selectors]
    catalog = MetricCatalog({item.name: item for item in known})
    try:
        return await fetch_metric_catalog(discovery, selectors, known=catalog, recorded=recorded, exist_now=exist_now), looked
    finally:
        discovery.close()


async def test_names_types_and_rules(serve) -> None:
    """Stored or announced, each with its type; what a rule writes is recorded unless a target announces it as well."""
    server = Server()
    server.names = ["errors_total", "up", "ours", "both", "seconds_bucket", "seconds_count", "seconds_sum"]
    server.metadata = {"errors": "counter", "seconds": "histogram", "both": "gauge", "parts": "summary", "later": "gauge"}
    known = [info("later", "counter", "a"), info("up", "gauge", "x")]
    found, looked = await fetch(serve, server, known=known, recorded=["ours", "both", "elsewhere"])
    assert found.complete and looked == [] and found.native == frozenset()
    assert found.families == {
        "errors": "counter",
        "seconds": "histogram",
        "both": "gauge",
        "parts": "summary",
        "later": "gauge",
    }
    assert found.metrics == {
        "errors": info("errors", "counter"),
        "errors_total": info("errors_total", "counter"),
        "up": info("up"),
        "ours": info("ours", recorded=True),
        "both": info("both", "gauge"),
        "seconds_bucket": info("seconds_bucket", "counter"),
        "seconds_count": info("seconds_count", "counter"),
        "seconds_sum": info("seconds_sum", "counter"),
        "parts": info("parts", "summary"),
        "parts_count": info("parts_count", "counter"),
        "parts_sum": info("parts_sum", "counter"),
        "later": info("later", "gauge", "a"),
    }


@pytest.mark.parametrize(("now", "native"), [([], True), (["one_count"], False)])
async def test_a_histogram_that_became_native(serve, now: list[str], native: bool) -> None:
    """Its classic names stay listed as long as their samples are kept: only what has series now counts."""
    server = Server()
    server.names = ["one", "one_bucket", "one_count", "two", "three_bucket"]
    server.metadata = {"one": "histogram", "two": "histogram", "three": "histogram"}
    found, looked = await fetch(serve, server, now=now)
    assert looked == [["one_bucket", "one_count"]]
    assert found.native == ({"one", "two"} if native else {"two"})
    assert ("one_count" in found.metrics) is not native
    assert found.metrics["one"].type == ""
    assert {"three_bucket", "three_count", "three_sum"} <= found.metrics.keys() and "two_sum" not in found.metrics


async def test_labels_and_values_of_what_is_asked_about(serve) -> None:
    """The labels of each stored name, values only where a matcher compares them; promised values are added, buckets are not."""
    server = Server()
    server.names = ["errors_total", "seconds_bucket", "other"]
    server.labels = {
        "errors_total": {"code": ["B", "A"], "stage": ["x"], "job": ["j"]},
        "seconds_bucket": {"le": ["0.5"], "stage": ["y"]},
    }
    server.labels = {f'__name__="{name}"': labels for name, labels in server.labels.items()} | server.labels
    known = [
        info("errors_total", "counter", "code", values={"stage": ("x", "y")}, seen={"code": ("C", "A"), "more": ("m",)}),
        info("seconds_bucket", "counter", "le", seen={"le": ("1",)}),
    ]
    queries = [
        'errors_total{code="A", stage="x", job=~"j.*"}',
        'errors_total{code!="Z"} + gone{code="A"}',
        'seconds_bucket{le="0.5"}',
    ]
    found, _ = await fetch(serve, server, *queries, known=known)
    errors, seconds = found.metrics["errors_total"], found.metrics["seconds_bucket"]
    assert errors.labels == {"code", "stage", "job"} and errors.values == {"stage": ("x", "y")}
    assert errors.seen == {"code": ("A", "B", "C"), "job": ("j",), "more": ("m",)}
    assert seconds.labels == {"le", "stage"} and seconds.seen == {"le": ("0.5",)}
    assert found.metrics["other"].labels is None and "gone" not in found.metrics
    values = [item.split()[0] for item in server.asked if item.startswith("label/") and "__name__" not in item.split()[0]]
    assert values == ["label/code/values", "label/job/values", "label/le/values"]


async def test_a_name_that_the_server_refuses(serve) -> None:
    """An older server rejects UTF-8 names: the labels of that one are unknown, those of the others are not."""
    server = Server()
    server.names = ["a.b", "c"]
    server.labels = {"c": {"x": ["1"]}}
    first, second = (item.text for query in ('{"a.b"}', "c") for item in parse_promql(query).selectors)
    assert first and second
    server.refused = {'{"a.b"}', '{__name__="a.b"}'}
    found, _ = await fetch(serve, server, '{"a.b"}', "c")
    assert (found.metrics["a.b"].labels, found.metrics["c"].labels, found.complete) == (None, {"x"}, True)


async def test_a_partial_answer_is_no_catalogue(serve) -> None:
    """Names that a missing store has would count as missing: what was known stays, with the server's reason."""
    server = Server()
    server.names = ["a"]
    server.partial = "No StoreAPIs matched for this query"
    found, _ = await fetch(serve, server, known=[info("b")])
    assert list(found.metrics) == ["b"] and not found.complete and "partial response" in found.partial


async def test_a_failure_is_one(serve) -> None:
    """A server that answers nothing is an error, not an empty catalogue."""
    started = await serve(http_answer("500 Internal Server Error", b"x", "text/plain"))
    discovery = Discovery(Endpoint(started.url, timeout_seconds=5.0))

    async def nothing(names: Collection[str]) -> Collection[str]:
        return ()

    with pytest.raises(SourceError):
        await fetch_metric_catalog(discovery, (), known=MetricCatalog({}), recorded=(), exist_now=nothing)
    discovery.close()
