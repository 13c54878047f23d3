"""What a recorded name is worth: by the loaded expression, its health and its age; and by value where nobody can see that."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import cycle, islice

import pytest

from queries.catalogue.signals import UNDECIDED, DefinitionChoice
from queries.model.panel import Origin, PanelSpec, Threshold, Unit
from queries.model.rule import NOTHING_SEEN, Rule, RuleGroup, RuleKind, RuleMatch
from queries.model.series import Sample
from queries.prometheus.recorded_panels import EVERY_SECONDS, RecordedPanels, RecordedValueCheck
from queries.prometheus.recorded_series import LoadedRules, find_duplicate_records
from queries.promql.our_rules import our_recordings

NOW = 1_800_000_000.0
OURS = {
    "all": "sum(rate(req[5m]))",
    "ratio": '100 * sum(rate(req{s="error"}[5m])) / all',
    "open": "max by (breaker) (state == bool 2)",
}
SPEC = PanelSpec("p", "P", Unit.PERCENT, recorded="ratio / 1", recorded_names=("ratio",), raw="raw")


def group(*rules: Rule, name: str = "g", age: float | None = 5.0) -> RuleGroup:
    return RuleGroup(name, f"{name}.yaml", rules, 30.0, None if age is None else NOW - age, 0.01)


def record(name: str, expression: str, **more: str) -> Rule:
    return replace(Rule(RuleKind.RECORD, name, expression, health="ok"), **more)


ALL, RATIO = record("all", OURS["all"]), record("ratio", 'sum(rate(req{s="error"}[300s])) / all * 100')
PREFIXED = record("x:ratio", '100 * sum(rate(req{s="error"}[5m])) / x:all')


def test_rules_that_stay_the_same_are_judged_again_by_their_health_alone() -> None:
    """The very same rules are not compared again and an equal verdict keeps the plans; a late group, other signals and other
    rules are seen at once."""
    asked = 0

    def ours(choice: DefinitionChoice) -> dict[str, str]:
        nonlocal asked
        asked += 1
        return OURS

    loaded, panels = LoadedRules(ours), RecordedPanels()
    one = group(ALL, RATIO)
    assert not loaded.has_compared([one], UNDECIDED)
    panels.update(loaded.match([one], UNDECIDED, now=NOW))
    plan = panels.plan(SPEC)
    later = replace(one, evaluated_at=NOW + 30.0)
    assert loaded.has_compared([later], UNDECIDED)
    panels.update(loaded.match([later], UNDECIDED, now=NOW + 31.0))
    assert panels.plan(SPEC) is plan and plan.verified and asked == 1
    panels.update(loaded.match([later], UNDECIDED, now=NOW + 3600.0))
    assert panels.plan(SPEC).caveat is not None and panels.book["ratio"].match is RuleMatch.LATE
    assert not loaded.has_compared([replace(one, name="h")], UNDECIDED)
    assert not loaded.has_compared([later, later], UNDECIDED)
    assert not loaded.has_compared([later], DefinitionChoice())
    other = group(ALL, replace(RATIO, expression="other"))
    assert not loaded.has_compared([other], UNDECIDED)
    assert loaded.match([other], UNDECIDED, now=NOW)["ratio"].match is RuleMatch.DIFFERENT and asked == 2


def worth(*groups: RuleGroup, name: str = "ratio") -> tuple[RuleMatch | None, str]:
    book = LoadedRules(lambda choice: OURS).match(groups, UNDECIDED, now=NOW)
    return (book[name].match, book[name].read) if name in book else (None, "")


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([group(ALL, RATIO)], (RuleMatch.SAME, "ratio")),
        ([group(record("x:all", OURS["all"]), PREFIXED)], (RuleMatch.SAME, "x:ratio")),
        ([group(ALL, record("ratio", 'sum(rate(req{s="error"}[5m])) / all'))], (RuleMatch.DIFFERENT, "ratio")),
        ([group(record("all", "sum(rate(other[5m]))"), RATIO)], (RuleMatch.DIFFERENT, "ratio")),
        (
            [group(ALL, record("ratio", "other"), record("better", RATIO.expression))],
            (RuleMatch.SAME, "better"),
        ),
        ([group(ALL, RATIO), group(RATIO, name="h")], (RuleMatch.TWICE, "ratio")),
        ([group(ALL, RATIO), group(record("ratio", "other"), name="h")], (RuleMatch.TWICE, "ratio")),
        ([group(ALL, replace(RATIO, health="err", last_error="many-to-many"))], (RuleMatch.FAILING, "ratio")),
        ([group(ALL, RATIO, age=89)], (RuleMatch.SAME, "ratio")),
        ([group(ALL, RATIO, age=90)], (RuleMatch.SAME, "ratio")),
        ([group(ALL, RATIO, age=91)], (RuleMatch.LATE, "ratio")),
        ([group(ALL, RATIO, age=None)], (RuleMatch.LATE, "ratio")),
        ([group(ALL, record("ratio", "sum(rate(req[5m] smoothed))"))], (RuleMatch.UNVERIFIED, "ratio")),
        ([group(ALL)], (None, "")),
        ([], (None, "")),
    ],
)  # fmt: skip
def test_what_a_recorded_name_is_worth(groups: list[RuleGroup], expected: tuple[RuleMatch | None, str]) -> None:
    """The loaded expression decides, with the loaded ones that it reads; then whether it evaluates, and when it last did."""
    assert worth(*groups) == expected


def test_a_coding_that_the_help_text_states_counts() -> None:
    """A rule that calls 2 open is not ours where the metric's own help text says that 1 is."""
    name = "circuit_breaker_open_ratio"
    loaded = [group(record(name, our_recordings()[name]))]
    codings = (
        ({"closed": 0.0, "half_open": 1.0, "open": 2.0}, RuleMatch.SAME),
        ({"closed": 0.0, "open": 1.0}, RuleMatch.DIFFERENT),
    )
    for states, expected in codings:
        choice = DefinitionChoice(encodings={"ocr_circuit_state": states})
        assert LoadedRules(our_recordings).match(loaded, choice, now=NOW)[name].match is expected


def test_names_of_two_groups_are_found_and_labels_tell_rules_apart() -> None:
    """Two rules of one name collide unless they set labels of their own."""
    labelled = [replace(RATIO, labels=(("quantile", value),)) for value in ("0.5", "0.9")]
    assert find_duplicate_records([group(*labelled)]) == ()
    assert find_duplicate_records([group(RATIO), group(RATIO, name="h")]) == (("ratio", ("g.yaml: g", "h.yaml: h")),)


def test_the_comparison_is_made_once_for_each_change_of_the_rules() -> None:
    """Evaluations that went on change nothing; another expression does."""
    asked: list[DefinitionChoice] = []

    def ours(choice: DefinitionChoice) -> dict[str, str]:
        asked.append(choice)
        return OURS

    loaded = LoadedRules(ours)
    for age in (5.0, 4.0, 3.0):
        loaded.match([group(ALL, RATIO, age=age)], UNDECIDED, now=NOW)
    assert len(asked) == 1
    loaded.match([group(ALL, replace(RATIO, expression="other"))], UNDECIDED, now=NOW)
    assert len(asked) == 2


@pytest.mark.parametrize("renamed", [False, True])
def test_a_thousand_rules_take_less_than_a_second(*, renamed: bool) -> None:
    """A thousand foreign recording rules beside all of ours, or ours a thousand times under other names, which are searched
    there: in processor time of this one thread."""
    usual = (
        '100 * sum by (job, instance) (rate(http_requests_total{code=~"5..", job="j%d"}[%dm]))'
        ' / (sum by (job, instance) (rate(http_requests_total{job="j%d"}[5m])) > 0)'
    )
    ours = our_recordings()
    foreign = {f"r{at}": usual % (at, at % 50 + 1, at) for at in range(1000)} | dict(ours)
    copies = {f"t{at}:{name}": text for at, (name, text) in enumerate(islice(cycle(ours.items()), 1000))}
    loaded = [group(*(record(name, text) for name, text in (copies if renamed else foreign).items()))]
    began = time.thread_time()
    book = LoadedRules(lambda choice: ours).match(loaded, UNDECIDED, now=NOW)
    took = time.thread_time() - began
    assert book and took < 1.0, f"{took:.2f} s"
    if not renamed:
        assert {item.match for item in book.values()} == {RuleMatch.SAME}


@pytest.mark.parametrize(
    ("groups", "origin", "verified", "word"),
    [
        ([group(ALL, RATIO)], Origin.RECORDED, True, ""),
        ([group(ALL, record("ratio", "other"))], Origin.RAW, True, "raw: the rule differs"),
        ([group(ALL, RATIO), group(RATIO, name="h")], Origin.RAW, True, "raw: recorded twice"),
        ([group(ALL, replace(RATIO, health="err"))], Origin.RAW, True, "raw: the rule fails"),
        ([group(ALL, RATIO, age=500)], Origin.RAW, True, "raw: the rule is late"),
        ([group(ALL)], Origin.RECORDED, False, "not verified"),
    ],
)
def test_how_a_panel_is_asked(groups: list[RuleGroup], origin: Origin, verified: bool, word: str) -> None:
    """Only what is known to be the same is read without a word; what nobody can verify is read with one."""
    panels = RecordedPanels()
    panels.update(LoadedRules(lambda choice: OURS).match(groups, UNDECIDED, now=NOW))
    plan = panels.plan(SPEC)
    assert (plan.spec.recorded is not None) is (origin is Origin.RECORDED)
    assert (plan.verified, plan.caveat.word if plan.caveat else "") == (verified, word)


def test_a_panel_reads_the_name_that_the_server_has() -> None:
    """Every place where the name stands is renamed, and nothing that only begins like it."""
    panels = RecordedPanels()
    rules = [record("t:all", OURS["all"]), record("t:ratio", '100 * sum(rate(req{s="error"}[5m])) / t:all')]
    panels.update(LoadedRules(lambda choice: OURS).match([group(*rules)], UNDECIDED, now=NOW))
    spec = replace(SPEC, recorded='ratio{x="y"} or ratio_more + ratio')
    plan = panels.plan(spec)
    assert (plan.spec.recorded, plan.spec.recorded_names) == ('t:ratio{x="y"} or ratio_more + t:ratio', ("t:ratio",))


def test_rules_that_are_denied_say_so() -> None:
    """The caveat names why nobody could look."""
    panels = RecordedPanels()
    panels.update(NOTHING_SEEN, "the rules cannot be seen: 403")
    plan = panels.plan(SPEC)
    assert plan.caveat is not None and (plan.verified, plan.caveat.text) == (False, "the rules cannot be seen: 403")


def value(number: float, provider: str = "") -> tuple[Sample, ...]:
    return (Sample((("provider", provider),) if provider else (), number),)


def test_a_contradiction_by_value_is_told_at_once_and_ends_when_the_series_catch_up() -> None:
    """What never agreed is in doubt at the first look; a series that is an evaluation behind catches up without a request."""
    held = RecordedValueCheck()
    assert held.is_due(SPEC, NOW)
    held.ingest(SPEC, value(1.5), value(2.0), NOW)
    (found,) = held.contradictions(SPEC, NOW)
    assert (found.first.value, found.second.value) == (1.5, 2.0)
    assert not held.is_due(SPEC, NOW + 5) and not held.is_due(SPEC, NOW + EVERY_SECONDS - 1)
    held.ingest(SPEC, value(2.4), None, NOW + 30)
    assert held.contradictions(SPEC, NOW + 30) == ()
    assert held.is_due(SPEC, NOW + 2 * EVERY_SECONDS)
    assert held.is_due(SPEC, NOW - 3600.0), "the clock was set back"


def test_what_agreed_before_gets_a_minute_to_catch_up_and_not_more() -> None:
    """A ramp is no contradiction; a series that stays away is one after a minute."""
    held = RecordedValueCheck()
    held.ingest(SPEC, value(1.0), value(1.0), NOW)
    later = NOW + 2 * EVERY_SECONDS
    held.ingest(SPEC, value(1.0), value(5.0), later)
    assert held.contradictions(SPEC, later + 30) == ()
    held.ingest(SPEC, value(1.1), None, later + 59)
    assert len(held.contradictions(SPEC, later + 61)) == 1


def test_every_series_is_held_against_its_own() -> None:
    """The worst series alone may agree while another one is wrong."""
    spec = replace(SPEC, group_by="provider", threshold=Threshold())
    held = RecordedValueCheck()
    held.ingest(spec, (*value(82, "bad"), *value(55, "well")), (*value(79, "bad"), *value(0, "well")), NOW)
    found = [(item.whom, item.first.value, item.second.value) for item in held.contradictions(spec, NOW)]
    assert found == [("well", 55.0, 0.0)]


def test_the_looks_of_many_panels_are_spread() -> None:
    """After the first refresh, no more than a few of fifty panels are due within the same ten seconds."""
    held = RecordedValueCheck()
    specs = [replace(SPEC, id=f"panel_{at}") for at in range(50)]
    for spec in specs:
        held.ingest(spec, value(1), value(1), NOW)
    due = [next(at for at in range(0, 1000, 10) if held.is_due(spec, NOW + at)) for spec in specs]
    assert min(due) >= EVERY_SECONDS and max(due.count(at) for at in due) <= 6


def test_labels_that_all_rules_share_distinguish_none() -> None:
    """vmalert puts its external labels on every rule: one recorded series that reads another still means the same."""
    eu = (("cluster", "eu"),)
    ours = {"all": OURS["all"], "ratio": '100 * sum(rate(req{s="error"}[5m])) / sum(rate(req[5m]))'}
    rules = (record("all", OURS["all"], labels=eu), record("ratio", OURS["ratio"], labels=eu))  # type: ignore[arg-type]
    book = LoadedRules(lambda choice: ours).match([group(*rules)], UNDECIDED, now=NOW)
    assert [book[name].match for name in ours] == [RuleMatch.SAME, RuleMatch.SAME]
    other = (rules[0], replace(rules[1], labels=()))
    book = LoadedRules(lambda choice: ours).match([group(*other)], UNDECIDED, now=NOW)
    assert book["ratio"].match is not RuleMatch.SAME


@pytest.mark.parametrize(("others", "found"), [(1998, True), (1999, False)])
def test_among_more_than_two_thousand_series_no_other_name_is_looked_for(others: int, found: bool) -> None:
    """Two thousand are searched for ours under another name; one more is not."""
    loaded = [group(record("x:all", OURS["all"]), PREFIXED, *(record("twice", "up") for _ in range(others)))]
    assert worth(*loaded) == ((RuleMatch.SAME, "x:ratio") if found else (None, ""))
