"""What Prometheus and an exporter show of the contract's metrics: each promise kept, broken or unknown."""

from __future__ import annotations

import math
from typing import Any

import pytest
from fake_prometheus import FakePrometheus
from loopback import always, http_answer, loopback

from console.checks.contract_probe import StoredMetrics, fetch_stored_metrics, observe_in_exposition, observe_in_prometheus
from queries.catalogue.contract import Contract, ContractMetric, Need
from queries.catalogue.error_codes import load_taxonomy
from queries.catalogue.exposition import Exposition, parse_exposition
from queries.http.endpoint import Endpoint
from queries.model.fault import Fault, FaultKind
from queries.prometheus.metadata import Discovery

COUNTER = ContractMetric("ocr_errors_total", "counter", ("provider", "code"), "errors", "x", need=Need.PROMISED)
HISTOGRAM = ContractMetric("x_seconds", "histogram", ("provider",), "seconds", "x", buckets=(0.5, 2.0))
KUBE = ContractMetric("kube_x", "gauge", ("pod", "node"), "pods", "x", exporter="kube-state-metrics", need=Need.OPTIONAL)
BARE = ContractMetric("up", "gauge", (), "targets", "x", exporter="prometheus", need=Need.OPTIONAL)


def facts(**changes: Any) -> StoredMetrics:
    given: dict[str, Any] = {
        "names": frozenset(), "lacking": {}, "whole": frozenset(), "edges": {}, "sumless": frozenset(), "types": {},
        "codes": {},
    }  # fmt: skip
    return StoredMetrics(**{**given, **changes})


def test_a_series_that_lacks_a_label_is_named_with_it() -> None:
    """Of the platform's own metrics each label of each series; of a kubelet's some series with all of them suffice."""
    name = COUNTER.stored_as[0]
    lacking = {"provider": frozenset({name}), "code": frozenset({"other"}), "pod": frozenset({"kube_x"})}
    found = observe_in_prometheus(COUNTER, facts(names=frozenset({name, "other"}), lacking=lacking))
    assert (found.stored, found.lacking) == (frozenset({name}), ((name, "provider"),))
    assert observe_in_prometheus(COUNTER, facts(names=frozenset({name}))).lacking == ()
    stored = frozenset({"kube_x"})
    assert observe_in_prometheus(KUBE, facts(names=stored, lacking=lacking)).lacking == (("kube_x", "pod"), ("kube_x", "node"))
    assert observe_in_prometheus(KUBE, facts(names=stored, whole=stored, lacking=lacking)).lacking == ()
    assert observe_in_prometheus(KUBE, facts(whole=stored)).stored == frozenset()


@pytest.mark.parametrize(
    ("edges", "missing"),
    [({0.5, 2.0, 9.0}, ()), ({0.5}, (2.0,)), ({2.0}, (0.5,)), (set(), (0.5, 2.0)), ({0.49, 2.01}, (0.5, 2.0))],
)
def test_a_bucket_that_is_not_there_is_named(edges: set[float], missing: tuple[float, ...]) -> None:
    """Of a histogram with series; a native one has no buckets of its own, and one without series none to miss."""
    parts = frozenset({"x_seconds_bucket", "x_seconds_count", "x_seconds_sum"})
    known = {"x_seconds_bucket": frozenset(edges), "other_bucket": frozenset({0.5, 2.0})}
    assert observe_in_prometheus(HISTOGRAM, facts(names=parts, edges=known)).missing_buckets == missing
    assert observe_in_prometheus(HISTOGRAM, facts(edges=known)).missing_buckets == ()
    assert observe_in_prometheus(HISTOGRAM, facts(names=frozenset({"x_seconds"}), edges={})).missing_buckets == ()
    sumless = facts(names=parts, sumless=frozenset({"x_seconds_bucket"}))
    assert observe_in_prometheus(HISTOGRAM, sumless).sumless and not observe_in_prometheus(HISTOGRAM, facts()).sumless


def test_what_is_announced_is_known_only_where_types_are_served() -> None:
    """The type of either spelling of its family; empty where it is not announced, None where nobody says."""
    assert observe_in_prometheus(COUNTER, facts(types=None)).announced_type is None
    assert observe_in_prometheus(COUNTER, facts(types={"other": "gauge"})).announced_type == ""
    for family in COUNTER.families:
        assert observe_in_prometheus(COUNTER, facts(types={family: "counter"})).announced_type == "counter"


def expose(text: str) -> Exposition:
    return parse_exposition(text.encode(), where="x")


EXPOSED = """# TYPE ocr_errors_total counter
ocr_errors_total{provider="a",code="X"} 1
ocr_errors_total{provider="b"} 2
ocr_errors_total{provider="c"} 3
# TYPE x_seconds histogram
x_seconds_bucket{provider="a",le="0.5"} 1
x_seconds_bucket{provider="a",le="+Inf"} 2
x_seconds_sum{provider="a"} 1
x_seconds_count{provider="a"} 2
"""


def test_an_exposition_is_looked_at_series_by_series() -> None:
    """Each series and label that lacks is named once; a bucket below zero makes a histogram without a sum."""
    exposed = expose(EXPOSED)
    found = observe_in_exposition(COUNTER, exposed)
    assert (found.announced_type, found.stored) == ("counter", frozenset({"ocr_errors_total"}))
    assert found.lacking == (("ocr_errors_total", "code"),)
    histogram = observe_in_exposition(HISTOGRAM, exposed)
    assert (histogram.missing_buckets, histogram.sumless, histogram.lacking) == ((2.0,), False, ())
    assert len(histogram.stored) == 3
    for edge, sumless in (("-1", True), ("0", False), ("-0.001", True)):
        assert observe_in_exposition(HISTOGRAM, expose(EXPOSED.replace('le="0.5"', f'le="{edge}"'))).sumless is sumless
    nothing = observe_in_exposition(HISTOGRAM, expose(""))
    assert (nothing.announced_type, nothing.stored, nothing.missing_buckets) == ("", frozenset(), ())


CONTRACT = Contract((COUNTER, HISTOGRAM, KUBE, BARE), frozenset())
NAMES = (
    'group by (__name__) ({__name__=~"ocr_errors_total|x_seconds_bucket|x_seconds_count|x_seconds_sum|x_seconds|kube_x|up"})'
)
EDGES = 'group by (__name__, le) ({__name__=~"x_seconds_bucket"})'
SUMLESS = 'group by (__name__) ({__name__=~"x_seconds_bucket", le=~"-.+"})'
WHOLE = 'group by (__name__) ({__name__=~"kube_x", pod!="", node!=""})'
HISTOGRAM_NAMES = "x_seconds_bucket|x_seconds_count|x_seconds_sum|x_seconds"
PROVIDERLESS = f'group by (__name__) ({{__name__=~"ocr_errors_total|{HISTOGRAM_NAMES}", provider=""}})'


def named(*names: str, **labels: str) -> Any:
    return [({"__name__": name, **labels}, "1") for name in names]


async def fetched(server: FakePrometheus, metadata: bytes = b'{"status":"success","data":{}}') -> StoredMetrics | Fault:
    async with loopback(always(http_answer("200 OK", metadata))) as place:
        source, discovery = server.source(), Discovery(Endpoint(place.url, timeout_seconds=5.0))
        try:
            return await fetch_stored_metrics(CONTRACT, load_taxonomy(), source, discovery, window_seconds=3600.0)
        finally:
            discovery.close()
            await source.close()


async def test_what_prometheus_stores_of_the_contract() -> None:
    """Names, missing labels, whole series, bounds and types, from one request and one for the types."""
    server = FakePrometheus()
    server.series = {
        NAMES: named("ocr_errors_total", "kube_x"),
        PROVIDERLESS: named("ocr_errors_total"),
        WHOLE: named("kube_x"),
        'group by (__name__) ({__name__=~"up"})': named("up"),
        EDGES: [({"__name__": "x_seconds_bucket", "le": edge}, "1") for edge in ("0.5", "2", "+Inf")],
        SUMLESS: named("x_seconds_bucket"),
    }
    metadata = b'{"status":"success","data":{"ocr_errors":[{"type":"counter","help":"","unit":""}]}}'
    found = await fetched(server, metadata)
    assert isinstance(found, StoredMetrics)
    assert (found.names, found.whole, found.sumless) == ({"ocr_errors_total", "kube_x"}, {"kube_x", "up"}, {"x_seconds_bucket"})
    assert found.lacking == {"provider": {"ocr_errors_total"}, "code": frozenset()}
    assert found.edges == {"x_seconds_bucket": {0.5, 2.0, math.inf}} and found.types == {"ocr_errors": "counter"}
    assert found.codes == dict.fromkeys(load_taxonomy().counted, ()) and [kind for _, kind, _ in server.asked] == ["query"]


async def test_a_server_without_metadata_is_not_one_without_types() -> None:
    """The types are unknown, and the rest is known."""
    found = await fetched(FakePrometheus(), b'{"status":"error","errorType":"x","error":"y"}')
    assert isinstance(found, StoredMetrics) and found.types is None and found.names == frozenset()


async def test_a_range_that_is_too_long_hides_only_the_codes() -> None:
    """The fault is that of the codes; a fault of any other part is one of all."""
    server = FakePrometheus()
    server.refuses_joined = True
    server.refuses = {"[3600s]": (422, "execution"), "[1h]": (422, "execution")}
    found = await fetched(server)
    assert isinstance(found, StoredMetrics) and isinstance(found.codes, Fault)
    server.refuses = {EDGES: (422, "execution")}
    refused = await fetched(server)
    assert isinstance(refused, Fault) and refused.kind is FaultKind.REJECTED and "cannot evaluate" in refused.what


async def test_a_partial_answer_breaks_no_promise() -> None:
    """What a missing store holds may be there: the fault names it, and nothing counts as missing."""
    server = FakePrometheus()
    server.extra = {"warnings": ["store gone"]}
    found = await fetched(server)
    assert isinstance(found, Fault) and found.kind is FaultKind.PARTIAL and "store gone" in found.what


async def test_nobody_answers() -> None:
    """The failure of the one query is the fault."""
    server = FakePrometheus()
    server.refuses = {"__name__": (503, "unavailable")}
    found = await fetched(server)
    assert isinstance(found, Fault) and found.kind is FaultKind.UNREACHABLE
