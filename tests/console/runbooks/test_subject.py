"""A page that asks about another subject than its alert is told from one that does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

import console
from console.runbooks.index import RunbookIndex
from console.runbooks.page import Runbook, RunbookStep
from console.runbooks.subject import subject_error
from queries.model.rule import RuleKind
from queries.promql.rule_files import load_built_in

FOLDER = Path(console.__file__).parent.parent / "runbooks"
HITS, MISSES = (f"sum(rate(analysis_cache_{name}_total[5m]))" for name in ("hits", "miss"))
ANALYSIS = f"{HITS} / ({HITS} + {MISSES}) < 0.3"
RECORDS: Mapping[str, Sequence[str]] = {
    "cad:cache_hit_rate:1h": ["sum(feature_cache_hits_total) / sum(feature_cache_lookups_total)"]
}


def page(*queries: str, body: str = "") -> Runbook:
    return Runbook("p", "p.md", "P", steps=tuple(RunbookStep("s", query=query) for query in queries), body=body)


def test_our_page_of_the_feature_cache_is_not_of_the_analysis_cache() -> None:
    """The platform's own rule of that name measures the analysis cache; the sentence names both in words."""
    found = RunbookIndex.load(FOLDER).get("cache-hit-rate-low")
    assert found is not None
    told = subject_error(found, ANALYSIS, {})
    assert told == "this page queries the feature cache; the alert is about the analysis cache"


def test_no_alert_that_ships_is_marked() -> None:
    """Each of our pages asks about what its alert is about, recorded series spelled out."""
    rules = [item.rule for file in load_built_in() for item in file.rules]
    records: dict[str, list[str]] = {}
    for rule in rules:
        if rule.kind is RuleKind.RECORD:
            records.setdefault(rule.name, []).append(rule.expression)
    index = RunbookIndex.load(FOLDER)
    alerts = [rule for rule in rules if rule.kind is RuleKind.ALERT]
    pages = [(rule, index.get(index.match_rule(rule).id)) for rule in alerts]
    marked = [told for rule, page in pages if page and (told := subject_error(page, rule.expression, records))]
    assert len(alerts) >= 30 and marked == []


@pytest.mark.parametrize(
    ("asked", "expression", "told"),
    [
        ("cad:cache_hit_rate:1h", ANALYSIS, "this page queries the feature cache; the alert is about the analysis cache"),
        ("sum(feature_cache_size)", "cad:cache_hit_rate:1h < 1", ""),
        ("shop_latency_seconds_count", "rate(shop_latency_seconds_bucket[5m]) > 1", ""),
        ("up", "redis_up == 0", "this page queries up; the alert is about redis_up"),
        ("a_b + c_d + e_f", "x_y > 1", "this page queries a_b and c_d and 1 more; the alert is about x_y"),
        ("vector(1)", ANALYSIS, ""),
        ("not promql (", ANALYSIS, ""),
        ("feature_cache_size", "not promql (", ""),
    ],
)
def test_what_is_compared(asked: str, expression: str, told: str) -> None:
    """Metrics of the queries and of the expression; what cannot be read or names none is not marked."""
    assert subject_error(page(asked), expression, RECORDS) == told


@pytest.mark.parametrize(
    ("body", "marked"),
    [
        ("Look at `feature_cache_hits_total`.", True),
        ("```promql\nsum(rate(feature_cache_hits_total[5m]))\n```\n", True),
        ("```\nkubectl get pods\n```\nSet `CACHE_SIZE` and `cache_ttl`.", False),
        ("Look at `analysis_errors_total`.", False),
        ("Look at `feature_cache_size` and `analysis_cache_hits_total`.", False),
        ("Only words.", False),
    ],
)
def test_a_plain_page_is_judged_by_the_metrics_that_it_shows(body: str, marked: bool) -> None:
    """Of a text without queries the first word of a metric's name decides; what is no metric counts for nothing."""
    assert bool(subject_error(page(body=body), ANALYSIS, {})) == marked


def test_an_alert_over_a_series_whose_rule_cannot_be_seen_is_not_judged() -> None:
    """A ruler elsewhere records it: from what is not known, and its name alone says nothing."""
    for name in ("level:other:rate5m", "platform_error_ratio"):
        assert subject_error(page("ocr_requests_total"), f"{name} > 5", {}, recorded={"platform_error_ratio"}) == ""
    assert subject_error(page("ocr_requests_total"), "platform_error_ratio > 5", {}) != ""


def test_records_that_turn_in_a_circle_end() -> None:
    """Two rules that record each other are spelled out to the end all the same."""
    circle = {"a:b:c": ["d:e:f"], "d:e:f": ["a:b:c"]}
    assert subject_error(page("a:b:c"), "g_h", circle).startswith("this page queries a:b:c;")
