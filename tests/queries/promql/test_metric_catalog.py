"""Which metrics, labels and values are known, and which known name a person may have meant."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from queries.catalogue.contract import load_contract
from queries.catalogue.error_codes import load_taxonomy
from queries.catalogue.exported import ExportedMetric
from queries.promql.metric_catalog import MetricCatalog, MetricInfo, Spelling
from queries.promql.syntax import parse_promql


def select(catalog: MetricCatalog, text: str) -> list[str | None]:
    (selector,) = parse_promql(text).selectors
    return [info.name if info else None for info in catalog.select(selector)]


def test_the_contracts_metrics_by_their_series() -> None:
    """A histogram's parts are counters with the bucket's bound; a code's known values are seen, not all."""
    contract, taxonomy = load_contract(), load_taxonomy()
    catalog = MetricCatalog.from_contract(contract, taxonomy)
    codes = tuple(sorted(taxonomy.known_codes))
    checked = set()
    for metric in contract.metrics:
        for name in metric.series:
            info = catalog.metrics[name]
            each = set(metric.labels) | ({"le"} if name.endswith("_bucket") else set())
            assert info.certain == each and info.values == metric.values and info.name == name
            assert info.labels == (None if metric.any_label else each | set(metric.also))
            assert info.type == ("counter" if metric.type == "histogram" else metric.type)
            assert info.seen == ({"code": codes} if "code" in metric.labels else {})
            checked.add((metric.type, metric.any_label, bool(metric.also), "code" in metric.labels))
    assert {kind for kind, *_ in checked} == {"counter", "gauge", "histogram"} and len(checked) > 5
    assert catalog.families == {metric.name: metric.type for metric in contract.metrics}
    assert catalog.target_labels == contract.target_labels and not catalog.complete


EXPORTED = {
    "requests_total": ExportedMetric("counter", ("status",), {"status": ("ok", "failed")}),
    "seconds": ExportedMetric("histogram", ("stage",), {}, ("0.1", "+Inf")),
    "score": ExportedMetric("histogram", (), {}, ("-1", "+Inf")),
    "jobs": ExportedMetric("gauge"),
}


def counter(name: str, *labels: str, **more: Any) -> MetricInfo:
    return MetricInfo(name, frozenset(labels), type="counter", certain=frozenset(labels), **more)


def test_what_a_build_exports_is_added() -> None:
    """Every series of a family with its labels, values and buckets; a sum that may be negative is not exported."""
    promised = MetricInfo("jobs", frozenset({"a"}), {"a": ("1",)}, {"a": ("2",)}, type="counter", certain=frozenset({"a"}))
    summed = MetricInfo("score_sum", None)
    known = MetricCatalog({"jobs": promised, "score_sum": summed}, families={"jobs": "counter"})
    catalog = known.with_exported(EXPORTED)
    assert catalog.metrics == {
        "jobs": promised,
        "requests_total": counter("requests_total", "status", seen={"status": ("ok", "failed")}),
        "seconds_bucket": counter("seconds_bucket", "stage", "le", seen={"le": ("0.1", "+Inf")}),
        "seconds_count": counter("seconds_count", "stage"),
        "seconds_sum": counter("seconds_sum", "stage"),
        "score_bucket": counter("score_bucket", "le", seen={"le": ("-1", "+Inf")}),
        "score_count": MetricInfo("score_count", frozenset(), type="counter"),
    }  # fmt: skip
    assert catalog.families == {"requests_total": "counter", "seconds": "histogram", "score": "histogram", "jobs": "counter"}
    assert known.metrics == {"jobs": promised, "score_sum": summed}


def test_what_is_known_already_takes_precedence() -> None:
    """The contract's known values stay; the code's are added for other labels."""
    known = MetricCatalog({"requests_total": MetricInfo("requests_total", None, seen={"status": ("x",)})})
    info = known.with_exported(EXPORTED).metrics["requests_total"]
    assert (info.labels, info.seen) == (None, {"status": ("x",)})


CATALOG = MetricCatalog({name: MetricInfo(name, None) for name in ("ocr_requests", "ocr_errors", "vision_errors")})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ocr_requests", ["ocr_requests"]),
        ("gone", [None]),
        ('{__name__="ocr_requests"}', ["ocr_requests"]),
        ('{__name__=~"ocr_requests|gone"}', ["ocr_requests", None]),
        ('{__name__=~"ocr_.*"}', ["ocr_requests", "ocr_errors"]),
        ('{__name__=~".*errors", __name__!~"vision.*"}', ["ocr_errors"]),
        ('{__name__=~"nothing.*"}', []),
        ('{job="a"}', [None]),
    ],
)
def test_what_a_selector_can_match(text: str, found: list[str | None]) -> None:
    """Each name that it spells out, every known name that its patterns match, or anything without a name."""
    assert select(CATALOG, text) == found


def test_metrics_are_added_and_replaced() -> None:
    """The given completeness counts, else it stays."""
    more = CATALOG.extend([MetricInfo("ocr_errors", frozenset({"a"})), MetricInfo("new", None)])
    assert more.get("ocr_errors") == MetricInfo("ocr_errors", frozenset({"a"})) and len(more.metrics) == 4 and not more.complete
    assert CATALOG.extend([], complete=True).complete and msgspec.structs.replace(CATALOG, complete=True).extend([]).complete
    assert not msgspec.structs.replace(CATALOG, complete=True).extend([], complete=False).complete and CATALOG.get("x") is None


NAMES = ["ocr_requests_total", "ocr_errors_total", "vision_requests_total", "job:latency:p95", "abcdefghij_x"]


@pytest.mark.parametrize(
    ("name", "near", "typo"),
    [
        ("ocr_request_total", "ocr_requests_total", True),
        ("ocr_requets_total", "ocr_requests_total", True),
        ("ocr_reqeusts_total", "ocr_requests_total", True),
        ("ocr_requestsxy_total", "ocr_requests_total", True),
        ("ocr_requestsxyz_total", "ocr_requests_total", False),
        ("ocr_requests_totals", "ocr_requests_total", True),
        ("oc_requests_totals", "ocr_requests_total", False),
        ("orc_requests_total", "ocr_requests_total", True),
        ("or_requests_total", "ocr_requests_total", False),
        ("job_latency_p95", "job:latency:p95", False),
        ("ocr_requests", "ocr_requests_total", False),
        ("totally_different", "", False),
        ("ocrrequests", "", False),
    ],
)
def test_the_nearest_name(name: str, near: str, typo: bool) -> None:
    """Among those that share a word; a typo is one word with a letter or two missing, added, changed or swapped."""
    spelling = Spelling(NAMES)
    assert [spelling.near(name), spelling.near(name)] == [near, near]
    assert [spelling.is_typo(name), spelling.is_typo(name)] == [typo, typo]


@pytest.mark.parametrize(
    ("one", "other", "typo"),
    [
        ("abc", "abd", True),
        ("ab", "abc", False),
        ("abcd", "abdc", True),
        ("abcd", "adbc", False),
        ("abcde", "abcxy", False),
        ("abcdef", "abcdxy", True),
        ("abcdef", "abcxyz", False),
        ("abcdef", "badcef", True),
        ("abcdef", "abcdefgh", True),
        ("abcde", "abcd", True),
        ("abcde", "abcdefg", True),
        ("abcdef", "bacdfe", True),
        ("abc", "cab", False),
    ],
)
def test_how_far_a_typo_goes(one: str, other: str, typo: bool) -> None:
    """One letter in a word of three to five, two in a longer one; two letters that changed places are one mistake."""
    common = "_".join(["common"] * 8)
    assert Spelling([f"{common}_{other}"]).is_typo(f"{common}_{one}") is typo
    assert Spelling([f"{common}_{one}"]).is_typo(f"{common}_{other}") is typo


def test_two_wrong_words_are_no_typo() -> None:
    """Each word alone would be one."""
    common = "_".join(["common"] * 8)
    assert not Spelling([f"{common}_hits_miss"]).is_typo(f"{common}_hit_mis")


def test_a_name_that_shares_more_words_is_compared() -> None:
    """Thousands of names share one word; the likely one shares the others too."""
    names = [f"common_{at:04}_thing" for at in range(300)] + ["common_requests_rejected"]
    assert Spelling(names).near("common_requests_reject") == "common_requests_rejected"
