"""The areas of the self-check as pure verdicts."""

from __future__ import annotations

import pytest

from console.checks import contract, error_codes, platform, rule_evaluation, servers
from console.checks.contract import EXPORTER, PROMETHEUS, MetricObservation
from console.checks.result import CheckResult, Result, exit_code, sort_by_area
from queries.alertmanager import PeerStatus
from queries.catalogue.contract import ContractMetric, Need
from queries.catalogue.error_codes import load_taxonomy
from queries.catalogue.signals import UNDECIDED
from queries.http.clock_skew import NOTABLE_SECONDS
from queries.model.fault import Fault, FaultKind
from queries.model.rule import Rule, RuleGroup, RuleKind
from queries.prometheus.code_counts import CodeCount
from queries.prometheus.metadata import Target
from queries.prometheus.recorded_series import LoadedRules

NOW = 1_800_000_000.0
DOWN = Fault(FaultKind.UNREACHABLE, "no connection")
COUNTER = ContractMetric("ocr_errors_total", "counter", ("provider",), "errors", "handover", need=Need.PROMISED)
HISTOGRAM = ContractMetric("x_seconds", "histogram", ("provider",), "seconds", "handover", buckets=(2.0,))
PLAIN = ContractMetric("x_total", "counter", (), "errors", "handover")
SUMLESS = ("x_seconds_bucket", "x_seconds_count")
OPTIONAL = ContractMetric("kube_x", "gauge", ("pod",), "pods", "2.0", exporter="kube-state-metrics", need=Need.OPTIONAL)


def seen(where: str = PROMETHEUS, told: str | None = "", *stored: str, **more: object) -> MetricObservation:
    return MetricObservation(where, told, frozenset(stored), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("metric", "places", "strict", "result", "words"),
    [
        (COUNTER, [seen(PROMETHEUS, "counter", "ocr_errors_total")], True, Result.PASSED, "counter with provider"),
        # A counter that was never incremented: announced, without a series.
        (COUNTER, [seen(PROMETHEUS, "counter")], True, Result.PASSED, "nothing counted yet"),
        (COUNTER, [seen(EXPORTER, "counter"), seen(PROMETHEUS, None)], True, Result.PASSED, "nothing counted yet"),
        # Nobody announces it: that is broken.
        (COUNTER, [seen()], False, Result.NOTED, "it is not exported"),
        (COUNTER, [seen()], True, Result.FAILED, "it is not exported"),
        # No place tells what is announced: one with labels may wait for its first use.
        (COUNTER, [seen(PROMETHEUS, None)], True, Result.NOTED, "before its first use"),
        (PLAIN, [seen(PROMETHEUS, None)], True, Result.FAILED, "whether it is exported is unknown"),
        (PLAIN, [], False, Result.NOTED, "whether it is exported is unknown"),
        # Broken in one of the two places.
        (COUNTER, [seen(PROMETHEUS, "gauge")], False, Result.FAILED, "is exported as a gauge"),
        (
            COUNTER,
            [seen(EXPORTER, "counter", "ocr_errors_total", lacking=(("ocr_errors_total", "provider"),))],
            False,
            Result.FAILED,
            "has series without the label provider (in /metrics)",
        ),
        (HISTOGRAM, [seen(PROMETHEUS, "histogram", "x_seconds_sum")], False, Result.FAILED, "incomplete histogram"),
        (
            HISTOGRAM,
            [seen(EXPORTER, "histogram", *HISTOGRAM.series, missing_buckets=(2.0,))],
            False,
            Result.FAILED,
            "has no bucket at 2 seconds",
        ),
        # Buckets from below zero have no sum.
        (HISTOGRAM, [seen(EXPORTER, "histogram", *SUMLESS, sumless=True)], False, Result.PASSED, "histogram with provider"),
        (HISTOGRAM, [seen(EXPORTER, "histogram", *SUMLESS)], False, Result.FAILED, "x_seconds_sum is missing"),
        # A server that stores histograms natively has one series in place of three.
        (HISTOGRAM, [seen(PROMETHEUS, "histogram", "x_seconds")], True, Result.PASSED, "native histogram with provider"),
        # Exported, and not scraped.
        (
            COUNTER,
            [seen(EXPORTER, "counter", "ocr_errors_total"), seen()],
            False,
            Result.NOTED,
            "not scraped, or dropped",
        ),
        (
            COUNTER,
            [seen(EXPORTER, "counter", "ocr_errors_total"), seen()],
            True,
            Result.FAILED,
            "not scraped, or dropped",
        ),
        # What not every cluster has is never a failure.
        (OPTIONAL, [seen()], True, Result.NOTED, "only where kube-state-metrics is scraped"),
        (OPTIONAL, [seen(PROMETHEUS, "counter", "kube_x")], True, Result.NOTED, "is exported as a counter"),
    ],
)
def test_absent_is_not_broken(
    metric: ContractMetric, places: list[MetricObservation], strict: bool, result: Result, words: str
) -> None:
    """Never incremented passes, nobody's is told and fails in strict mode, wrong types, labels and buckets always fail."""
    told = contract.check_metric(metric, places, strict=strict)
    assert (told.result, words in told.text) == (result, True), told


def test_a_metric_that_is_not_scraped_is_the_metrics_code() -> None:
    """The exporter keeps the contract; it is the scraping that fails, which is exit code 4."""
    told = contract.check_metric(COUNTER, [seen(EXPORTER, "counter", "ocr_errors_total"), seen()], strict=True)
    assert told.code == 4


def test_gaps_are_listed_by_who_said_them_and_how_often() -> None:
    """Each provider has its line, the most frequent first; a provider's own meaning is no gap, nor is what was counted before
    the window; what has no date is noted and never called mapped."""
    ocr, vision, _ = load_taxonomy().counted

    def said(code: str, who: str, count: float | None, since: float | None = NOW) -> CodeCount:
        return CodeCount(who, code, count, since)

    found = error_codes.check_mapping(
        load_taxonomy(),
        {ocr: (said("ODD", "a", 2), said("WEIRD", "a", 7), said("OSError", "paddle", 1), said("INPUT_ERROR", "b", 1)),
         vision: (said("", "c", 1), said("OLD", "c", 0, None), said("UNDATED", "d", None, None))},
        window_seconds=3600.0,
    )  # fmt: skip
    since, hint = "since 2027-01-15 08:00:00Z", "; map it with `error_codes` in config.yaml"
    assert [(item.name, item.text, item.code, item.result) for item in found] == [
        ("a", f"maps to none of the nine: WEIRD (7 × {since}), ODD (2 × {since}){hint}", 6, Result.FAILED),
        ("c", f"maps to none of the nine: (empty) (1 × {since}){hint}", 6, Result.FAILED),
        ("d", "maps to none of the nine, time unknown: UNDATED", 6, Result.NOTED),
    ]


def test_what_cannot_be_counted_is_no_clean_mapping() -> None:
    """A server that takes no range as long as the window leaves the mapping unknown, which fails; it is not called mapped."""
    (told,) = error_codes.check_mapping(load_taxonomy(), DOWN, window_seconds=5400.0)
    assert (told.result, told.text) == (Result.FAILED, "could not read the codes counted within 1h30m: no connection")


def group(*rules: Rule, age: float | None = 5.0, interval: float = 30.0, took: float = 0.01) -> RuleGroup:
    return RuleGroup("g", "f.yaml", rules, interval, None if age is None else NOW - age, took)


RECORD = Rule(RuleKind.RECORD, "r", "up", health="ok")
ALERT = Rule(RuleKind.ALERT, "A", "up == 0", health="ok")


@pytest.mark.parametrize(
    ("groups", "strict", "failed"),
    [
        ([group(RECORD, ALERT)], True, []),
        ([], False, []),
        ([], True, ["loaded"]),
        ([group(RECORD)], False, []),
        ([group(RECORD)], True, ["loaded"]),
        ([group(RECORD, Rule(RuleKind.ALERT, "A", "x", health="err", last_error="many-to-many"))], False, ["without error"]),
        ([group(RECORD, ALERT, age=89)], True, []),
        ([group(RECORD, ALERT, age=91)], False, ["in time"]),
        ([group(RECORD, ALERT, age=None)], False, ["in time"]),
        ([group(RECORD, ALERT, took=31.0)], False, ["in time"]),
    ],
)
def test_rules_are_loaded_well_and_in_time(groups: list[RuleGroup], strict: bool, failed: list[str]) -> None:
    """Missing rules fail in strict mode only; errors, late and slow groups always do."""
    results = rule_evaluation.check_rules(groups, ["r", "A"], now=NOW, strict=strict)
    assert [item.name for item in results if item.result is Result.FAILED] == failed
    assert all(item.code == 4 for item in results)
    incomplete = not groups or len(groups[0].rules) < 2
    assert any(item.result is Result.NOTED for item in results) is (incomplete and not strict)


@pytest.mark.parametrize(
    ("stamps", "fault", "result", "words"),
    [
        ({"r": NOW - 100}, None, Result.PASSED, "the oldest sample 1m40s old"),
        ({"r": NOW - 121}, None, Result.FAILED, "r (2m1s old)"),
        ({}, None, Result.FAILED, "none of 1 recorded series exists"),
        ({}, DOWN, Result.FAILED, "no connection"),
    ],
)
def test_recorded_series_are_fresh(stamps: dict[str, float], fault: Fault | None, result: Result, words: str) -> None:
    """A series older than three intervals and half a minute is stale; none at all is told, never taken for fresh."""
    (told,) = rule_evaluation.check_recorded_series([group(RECORD)], stamps, fault, now=NOW)
    assert (told.result, words in told.text) == (result, True), told


def test_without_recording_rules_nothing_is_claimed() -> None:
    """No rule, no freshness: skipped."""
    assert rule_evaluation.check_recorded_series([group(ALERT)], {}, None, now=NOW)[0].result is Result.SKIPPED


def target(job: str, health: str, *labels: tuple[str, str]) -> Target:
    return Target(job, f"http://{job}/metrics", health, "refused" if health == "down" else "", labels)


@pytest.mark.parametrize(
    ("found", "strict", "results"),
    [
        ([target("cad-ml-platform", "up")], True, [Result.PASSED]),
        ([target("cad-ml-platform", "down")], False, [Result.FAILED]),
        ([target("cad-ml-platform", "unknown")], False, [Result.PASSED]),
        ([target("cad-ml-platform", "unknown")], True, [Result.FAILED]),
        ([target("exporter", "down")], False, [Result.FAILED]),
        ([target("x", "down", ("namespace", "cad-ml-platform"))], False, [Result.FAILED]),
        ([target("cad-ml-platform", "up"), target("other", "down")], True, [Result.PASSED, Result.NOTED]),
        ([], False, [Result.NOTED]),
        ([], True, [Result.FAILED]),
    ],
)
def test_targets_of_the_platform_answer(found: list[Target], strict: bool, results: list[Result]) -> None:
    """A target is ours by its job, its namespace, or the series that its job has brought; others that are down are noted."""
    told = servers.check_scrape_targets(found, None, namespace="cad-ml-platform", jobs={"exporter"}, strict=strict)
    assert [item.result for item in told] == results


@pytest.mark.parametrize("error", ["", "no answer"])
def test_where_no_target_is_ours_nothing_is_said_to_be_up(error: str) -> None:
    """A platform that is down for an hour has no series that would name its job: noted, failed in strict mode, never passed."""
    for strict, kind in ((False, Result.NOTED), (True, Result.FAILED)):
        found = [target("api-gw", "down")]
        first, second = servers.check_scrape_targets(found, None, namespace="n", jobs=(), strict=strict, jobs_error=error)
        assert (first.result, second.result) == (kind, Result.NOTED)
        assert first.text.startswith("none of the 1 scrape targets is known to be the platform's")
        assert first.text.endswith(f"; its jobs could not be read: {error}") is bool(error)


@pytest.mark.parametrize(
    ("peers", "results"),
    [
        ([], [Result.SKIPPED]),
        ([PeerStatus("a", "disabled", 0)], [Result.PASSED]),
        ([PeerStatus("a", "ready", 1)], [Result.PASSED]),
        ([PeerStatus("a", "settling", 1)], [Result.FAILED]),
        ([PeerStatus("a", "", 0)], [Result.FAILED]),
        ([PeerStatus("a", "ready", 2), PeerStatus("b", "ready", 2)], [Result.PASSED, Result.PASSED]),
        ([PeerStatus("a", "ready", 1), PeerStatus("b", "ready", 1)], [Result.FAILED, Result.FAILED]),
        ([PeerStatus("a", "disabled", 0), PeerStatus("b", fault=DOWN)], [Result.FAILED, Result.FAILED]),
    ],
)
def test_the_alertmanagers_are_one_ready_cluster(peers: list[PeerStatus], results: list[Result]) -> None:
    """Every configured peer answers, is ready, and sees the others; alone it needs no cluster."""
    assert [item.result for item in servers.check_alertmanager(peers)] == results


@pytest.mark.parametrize(
    ("ahead", "results"),
    [([], [Result.SKIPPED]), ([("a", 29.0), ("b", -29.0)], [Result.PASSED]), ([("a", 31.0), ("b", 0.0)], [Result.FAILED])],
)
def test_clocks_agree(ahead: list[tuple[str, float]], results: list[Result]) -> None:
    """Half a minute apart is a failure, named with its server; without an answer nothing is claimed."""
    assert [item.result for item in servers.check_clocks(ahead)] == results


def test_redis_is_judged_by_its_pong() -> None:
    """Unset is skipped, a missing client only fails in strict mode, every other fault is the health code."""
    missing = Fault(FaultKind.NOT_CONFIGURED, "redis-py is not installed")
    assert platform.check_redis(None, None, strict=True).result is Result.SKIPPED
    assert platform.check_redis(None, missing, strict=False).result is Result.SKIPPED
    assert platform.check_redis(None, missing, strict=True).result is Result.FAILED
    assert platform.check_redis(0.002, None, strict=True).text == "PONG in 2ms"
    lost = platform.check_redis(None, DOWN, strict=False)
    assert (lost.result, lost.code) == (Result.FAILED, 3)


def test_the_first_failure_in_order_decides() -> None:
    """Areas have an order of their own: a general failure hides none of the others, whatever was found first."""

    def failed(area: str, code: int) -> CheckResult:
        return CheckResult(area, "x", Result.FAILED, "", code)

    results = [failed("clock", 1), failed("mapping", 6), failed("contract", 5), failed("rules", 4)]
    assert [item.area for item in sort_by_area(results)] == ["rules", "contract", "mapping", "clock"]
    assert exit_code(results) == 4
    assert exit_code(results[:2]) == 6
    assert exit_code(results[:1]) == 1
    assert exit_code([]) == 0


@pytest.mark.parametrize(
    ("groups", "strict", "results"),
    [
        ([group(RECORD)], True, [Result.PASSED, Result.PASSED]),
        ([group(Rule(RuleKind.RECORD, "r", "down", health="ok"))], False, [Result.PASSED, Result.NOTED]),
        ([group(Rule(RuleKind.RECORD, "r", "down", health="ok"))], True, [Result.PASSED, Result.FAILED]),
        ([group(RECORD), group(RECORD)], False, [Result.FAILED, Result.PASSED]),
        ([group(RECORD, *[Rule(RuleKind.RECORD, "theirs", "up", health="ok")] * 2)], False, [Result.NOTED, Result.PASSED]),
    ],
)
def test_a_recorded_name_is_recorded_once_and_means_what_it_says(
    groups: list[RuleGroup], strict: bool, results: list[Result]
) -> None:
    """Two rules of one of our names fail the check; another meaning is noted, and fails in strict mode."""
    ours = {"r": "up"}
    book = LoadedRules(lambda choice: ours).match(groups, UNDECIDED, now=NOW)
    assert [item.result for item in rule_evaluation.check_meanings(groups, book, ours, strict=strict)] == results


def test_rules_that_another_server_evaluates_are_not_missing() -> None:
    """Without a ruler the check says where the rules are, not that no alert can fire."""
    (found,) = rule_evaluation.check_rules((), ["r"], now=NOW, strict=False, elsewhere="rules are not visible here: why")
    assert (found.result, found.text) == (Result.NOTED, "rules are not visible here: why")
    (found,) = rule_evaluation.check_rules((), ["r"], now=NOW, strict=False)
    assert found.text == "no rules are loaded: no alert can fire"


def test_a_group_with_an_offset_is_not_stale() -> None:
    """Samples that are written minutes in the past but move with each evaluation are fresh; those that stopped are not."""
    groups, stamps = [group(RECORD)], {RECORD.name: NOW - 240.0}
    (name,) = rule_evaluation.old_series(groups, stamps, now=NOW)
    back = rule_evaluation.old_series(groups, stamps, now=NOW)[name]
    for before, result in ((NOW - 240.0 - back, Result.PASSED), (NOW - 240.0, Result.FAILED)):
        (found,) = rule_evaluation.check_recorded_series(groups, stamps, None, now=NOW, before={name: before})
        assert found.result is result, found
    assert rule_evaluation.old_series(groups, {name: NOW - 5.0}, now=NOW) == {}


def recording(*names: str, every: float = 60.0) -> RuleGroup:
    rules = tuple(Rule(RuleKind.RECORD, name, "up", health="ok") for name in names)
    return RuleGroup("g", "f.yaml", rules, every, NOW)


@pytest.mark.parametrize(("age", "fresh"), [(209.0, True), (210.0, True), (210.001, False)])
def test_a_recorded_series_is_fresh_for_three_intervals_and_half_a_minute(age: float, fresh: bool) -> None:
    """Exactly so old it still is; of two series the one that is older is named, with its age."""
    groups = (recording("a:x", "b:x"), recording("c:x", every=300.0))
    stamps = {"a:x": NOW - 1.0, "b:x": NOW - age, "c:x": NOW - 930.0}
    assert rule_evaluation.old_series(groups, stamps, now=NOW) == ({} if fresh else {"b:x": 180.0})
    (found,) = rule_evaluation.check_recorded_series(groups, stamps, None, now=NOW)
    assert found.result is (Result.PASSED if fresh else Result.FAILED)
    assert fresh or "1 recorded series are stale: b:x (" in found.text


@pytest.mark.parametrize(("moved", "passes"), [(59.999, False), (60.0, True), (61.0, True)])
def test_an_old_series_that_goes_on_is_written_with_an_offset(moved: float, passes: bool) -> None:
    """One sample an interval is going on, less is not; of several the longest offset is said, with those that have none."""
    groups = (recording("a:x", "b:x", "c:x", "d:x"),)
    stamps = {"a:x": NOW - 600.0, "b:x": NOW - 900.0, "c:x": NOW - 5.0}
    before = {"a:x": NOW - 600.0 - moved, "b:x": NOW - 960.0}
    (found,) = rule_evaluation.check_recorded_series(groups, stamps, None, now=NOW, before=before)
    assert found.result is (Result.PASSED if passes else Result.FAILED)
    if passes:
        assert found.text == (
            "3 recorded series, the oldest sample 15m old; 2 are written with an offset, up to 15m; "
            "1 have no series now, like rules over events that did not occur"
        )
    else:
        assert found.text.startswith("1 recorded series are stale: a:x (10m old)")
    (alone,) = rule_evaluation.check_recorded_series(groups, {"a:x": stamps["a:x"]}, None, now=NOW, before={})
    assert alone.result is Result.FAILED


@pytest.mark.parametrize(("count", "more"), [(1, ""), (2, ""), (5, ""), (6, " and 1 more"), (9, " and 4 more")])
def test_a_summary_lists_five(count: int, more: str) -> None:
    """Exactly five need no count of the rest; without any it passed."""
    names = [f"n{at}" for at in range(count)]
    found = rule_evaluation.summarize("x", "ok", Result.NOTED, "bad", names)
    assert (found.result, found.text) == (Result.NOTED, f"bad: {', '.join(names[:5])}{more}")
    passed = rule_evaluation.summarize("x", "ok", Result.NOTED, "bad", [])
    assert (passed.result, passed.text) == (Result.PASSED, "ok")


@pytest.mark.parametrize(
    ("interval", "took", "slow"),
    [(60.0, 59.9, False), (60.0, 60.0, False), (60.0, 60.1, True), (0.0, 5.0, False)],
)
def test_a_group_is_slow_if_it_takes_longer_than_its_interval(interval: float, took: float, slow: bool) -> None:
    """Exactly as long is in time; a group without an interval has nothing to be compared with."""
    groups = (RuleGroup("g", "f.yaml", (RECORD,), interval, NOW, took), RuleGroup("calm", "f.yaml", (ALERT,), 60.0, NOW, 0.1))
    found = {item.name: item for item in rule_evaluation.check_rules(groups, (), now=NOW, strict=False)}
    assert found["in time"].result is (Result.FAILED if slow else Result.PASSED)
    if slow:
        assert "1 groups are late or slower than their interval: g (takes 1m, every 1m)" in found["in time"].text


@pytest.mark.parametrize("members", [1, 2, 3])
def test_a_peer_sees_as_many_as_are_configured(members: int) -> None:
    """As many or more are a cluster; fewer do not see each other, and each peer has its own line."""
    peers = [PeerStatus("one", cluster="ready", members=members), PeerStatus("two", cluster="ready", members=2)]
    one, two = servers.check_alertmanager(peers)
    assert (one.result, two.result) == (Result.PASSED if members >= 2 else Result.FAILED, Result.PASSED)
    assert one.text == f"ready, {members} members" + (
        "" if members >= 2 else ", but 2 are configured: they do not see each other"
    )
    assert servers.check_alertmanager([PeerStatus("one", cluster="disabled")])[0].result is Result.PASSED
    assert [item.result for item in servers.check_alertmanager([PeerStatus("one", cluster="disabled")] * 2)] == [
        Result.FAILED
    ] * 2


@pytest.mark.parametrize("offset", [NOTABLE_SECONDS, NOTABLE_SECONDS + 1.0, NOTABLE_SECONDS - 0.001, 0.0])
def test_a_clock_is_wrong_from_the_notable_difference_on(offset: float) -> None:
    """Ahead and behind, each of two servers for itself; exactly that much already is."""
    wrong = offset >= NOTABLE_SECONDS
    found = servers.check_clocks([("one", offset), ("two", -offset), ("three", 0.0)])
    if wrong:
        assert [(item.name, item.result) for item in found] == [("one", Result.FAILED), ("two", Result.FAILED)]
        assert ["ahead of" in item.text for item in found] == [True, False]
        assert ["behind" in item.text for item in found] == [False, True]
    else:
        (passed,) = found
        assert (passed.result, passed.text.startswith("3 clocks agree")) == (Result.PASSED, True)


@pytest.mark.parametrize(("count", "more"), [(1, ""), (4, ""), (5, ""), (6, " and 1 more"), (9, " and 4 more")])
def test_five_targets_that_are_down_are_listed(count: int, more: str) -> None:
    """Of the platform they fail, of others they are noted; one that is not scraped yet fails in strict mode only."""
    down = [Target("cad-ml-api", f"http://a{at}", "down", last_error="refused") for at in range(count)]
    other = Target("blackbox", "http://b", "down")
    first, second = servers.check_scrape_targets([*down, other], None, namespace="n", jobs=(), strict=False)
    listed = ", ".join(f"cad-ml-api http://a{at} (refused)" for at in range(min(count, 5)))
    assert (first.result, first.text) == (Result.FAILED, f"{count} are down: {listed}{more}")
    assert (second.result, second.text) == (Result.NOTED, "1 are down: blackbox http://b (down)")
    new = Target("cad-ml-api", "http://new", "unknown")
    for strict in (False, True):
        (found,) = servers.check_scrape_targets([new], None, namespace="n", jobs=(), strict=strict)
        assert found.result is (Result.FAILED if strict else Result.PASSED)


@pytest.mark.parametrize(("count", "more"), [(1, ""), (8, ""), (9, " and 1 more"), (12, " and 4 more")])
def test_eight_codes_of_a_provider_are_listed(count: int, more: str) -> None:
    """The most frequent first; the same for those whose time is unknown, and for those of before."""
    ocr, *_ = load_taxonomy().counted
    gaps = tuple(CodeCount("p", f"ODD{at}", float(99 - at), NOW) for at in range(count))
    undated = tuple(CodeCount("q", f"U{at:02}", None, None) for at in range(count))
    first, second = error_codes.check_mapping(load_taxonomy(), {ocr: (*gaps, *undated)}, window_seconds=60.0)
    assert first.text.count(" × since ") == min(count, 8) and f"{more}; map it with" in first.text
    assert first.text.startswith("maps to none of the nine: ODD0 (99 × ")
    listed = ", ".join(f"U{at:02}" for at in range(min(count, 8)))
    assert second.text == f"maps to none of the nine, time unknown: {listed}{more}"
    older = tuple(CodeCount("q", f"O{at:02}", 0.0, None) for at in range(count))
    (passed,) = error_codes.check_mapping(load_taxonomy(), {ocr: older}, window_seconds=60.0)
    listed = ", ".join(f"O{at:02}" for at in range(min(count, 8)))
    assert (passed.result, passed.text) == (
        Result.PASSED, f"no unmapped error counted within 1m; unmapped, but not counted within 1m: {listed}{more}",
    )  # fmt: skip


@pytest.mark.parametrize(("count", "gap"), [(0.0, False), (0.001, True), (1.0, True)])
def test_a_code_is_a_gap_once_it_was_counted(count: float, gap: bool) -> None:
    """Anything above nothing within the window; beside a mapped code and an older spelling of one."""
    ocr, *_ = load_taxonomy().counted
    mapped = CodeCount("p", "INPUT_ERROR", 1.0, NOW), CodeCount("p", "provider_down", 1.0, NOW)
    counted = (CodeCount("p", "ODD", count, NOW), *mapped)
    found = error_codes.check_mapping(load_taxonomy(), {ocr: counted}, window_seconds=60.0)
    assert [item.result for item in found] == [Result.FAILED if gap else Result.PASSED]
    assert gap or found[0].text.startswith(
        "all 2 codes counted within 1m map to the nine; older spellings: provider_down → NETWORK_ERROR; unmapped"
    )
