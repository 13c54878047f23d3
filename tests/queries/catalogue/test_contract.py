"""The contract holds every metric that the console relies on, and the flow of labels is the one that Prometheus has."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from console.demo.families import FAMILIES
from console.runbooks.index import RunbookIndex
from queries.catalogue.contract import Contract, Need, load_contract
from queries.catalogue.error_codes import load_taxonomy
from queries.catalogue.loader import load_board
from queries.model.rule import Rule, RuleKind
from queries.promql.label_inference import add_recorded, infer_labels
from queries.promql.metric_catalog import MetricCatalog
from queries.promql.rule_files import load_built_in
from queries.promql.syntax import parse_promql

RUNBOOKS = Path(__file__).parents[3] / "runbooks"
_NO_BOARDS = ("signals.yaml", "contract.yaml", "exported.yaml", "taxonomy.yaml", "heat_maps.yaml", "drills.yaml")
BOARDS = sorted(
    item.name.removesuffix(".yaml")
    for item in (resources.files("queries") / "catalogue").iterdir()
    if item.name.endswith(".yaml") and item.name not in _NO_BOARDS
)


@pytest.fixture(scope="module")
def vocabulary() -> MetricCatalog:
    rules = [placed.rule for file in load_built_in() for placed in file.rules]
    return add_recorded(MetricCatalog.from_contract(load_contract(), load_taxonomy()), rules)


def expressions() -> Iterator[tuple[str, str]]:
    """Every expression that the console would ask or install, by where it stands."""
    for name in BOARDS:
        for spec in load_board(name):
            yield from ((f"panel {spec.id}", text) for text in (spec.raw, spec.recorded) if text)
    for file in load_built_in():
        yield from ((f"{file.path}:{placed.line}", placed.rule.expression) for placed in file.rules)
    for runbook in RunbookIndex.load(RUNBOOKS).runbooks:
        yield from ((f"runbook {runbook.id}", step.query) for step in runbook.steps if step.query)


def test_everything_that_is_relied_on_is_in_the_contract(vocabulary: MetricCatalog) -> None:
    """No panel, rule or runbook speaks of a metric that neither the contract nor a recording rule has."""
    unknown = {
        (where, name) for where, text in expressions() for name in parse_promql(text).metrics if vocabulary.get(name) is None
    }
    assert not unknown


def test_no_label_is_asked_for_in_vain(vocabulary: MetricCatalog) -> None:
    """Every matcher, grouping, `on` and label_replace of ours is about a label that the series have."""
    found = {(where, miss) for where, text in expressions() for miss in infer_labels(parse_promql(text), vocabulary).misses}
    assert not found


def test_the_promise_is_the_platforms() -> None:
    """The five metrics whose breach is exit code 5, with their labels, are promised, and nothing else is."""
    contract = load_contract()
    promised = {item.name: (item.type, item.labels) for item in contract.metrics if item.need is Need.PROMISED}
    assert promised == {
        "ocr_errors_total": ("counter", ("provider", "code", "stage")),
        "ocr_input_rejected_total": ("counter", ("reason",)),
        "vision_input_rejected_total": ("counter", ("reason",)),
        "ocr_processing_duration_seconds": ("histogram", ("provider",)),
        "vision_processing_duration_seconds": ("histogram", ("provider",)),
    }
    assert len({item.name for item in contract.metrics}) == len(contract.metrics)


def test_the_simulator_exports_what_the_contract_expects() -> None:
    """Each expected metric of the platform is a family of the embedded stack, of the same type."""
    families = {family.name: family.kind for family in FAMILIES}
    expected = {item.name: item.type for item in load_contract().metrics if item.need is not Need.OPTIONAL}
    assert expected.items() <= families.items()


def words(**labels: str) -> MetricCatalog:
    from queries.promql.metric_catalog import MetricInfo

    return MetricCatalog({name: MetricInfo(name, frozenset(text.split())) for name, text in labels.items()}, frozenset({"job"}))


FLOWS = [
    ("a", "x y job"),
    ("sum(a)", ""),
    ("sum by (x) (a)", "x"),
    ("sum without (x) (a)", "y job"),
    ("topk by (x) (3, a)", "x y job"),
    ('count_values by (x) ("v", a)', "x v"),
    ('label_replace(a, "z", "$1", "x", "(.*)")', "x y z job"),
    ('label_join(a, "z", "", "x", "missing")', "x y z job"),
    ("histogram_quantile(0.9, sum by (x, le) (h_bucket))", "x"),
    ("a * on (x) group_left (z) b", "x y z job"),
    ("a + on (x) b", "x"),
    ("a + b", "x job"),
    ("a and on (x) b", "x y job"),
    ("a or b", "x y z job"),
    ("100 * (1 - sum by (x) (a))", "x"),
    ("max_over_time(sum by (x) (rate(a[5m]))[1h:1m])", "x"),
    ('absent(a{x="1", y=~"2"})', "x"),
    ("a or vector(0)", "x y job"),
    ("unknown", None),
    ("sum by (x) (unknown)", "x"),
    ("a or unknown", None),
]


@pytest.mark.parametrize(("text", "labels"), FLOWS)
def test_the_flow_of_labels(text: str, labels: str | None) -> None:
    """The labels that a result can have are those that Prometheus leaves; what is not known stays so."""
    known = words(a="x y", b="x z", h_bucket="x le")
    found = infer_labels(parse_promql(text), known).labels
    assert (None if found.open else found.names) == (None if labels is None else frozenset(labels.split()))


@pytest.mark.parametrize(
    ("text", "label", "how"),
    [
        ('sum(rate(a{stage="parse"}[5m]))', "stage", "a matcher"),
        ("sum by (stage) (a)", "stage", "sum by"),
        ("sum by (x) (sum by (y) (a))", "x", "sum by"),
        ("a * on (z) b", "z", "on"),
        ('label_replace(a, "z", "$1", "pod", "(.*)")', "pod", "label_replace"),
    ],
)
def test_a_label_that_nothing_carries_is_found(text: str, label: str, how: str) -> None:
    """Where a label is asked for in vain, it is named with the way in which it is asked for."""
    assert [(miss.label, miss.how) for miss in infer_labels(parse_promql(text), words(a="x y", b="x z")).misses] == [
        (label, how)
    ]


@pytest.mark.parametrize(
    "text",
    [
        'a{stage=""}',
        'a{stage!="x"}',
        'a{stage=~".*"}',
        "sum by (job) (a)",
        'unknown{any="1"}',
        "sum without (z) (a)",
        "a or on (z) vector(0)",
    ],
)
def test_what_may_be_meant_is_no_miss(text: str) -> None:
    """Matchers that take an absent label, labels of the target and unknown metrics are not complained about."""
    assert infer_labels(parse_promql(text), words(a="x y")).misses == ()


def test_recorded_series_carry_what_their_rule_leaves() -> None:
    """Chains of rules are followed in any order; a rule's own labels are added, and target labels end at an aggregation."""

    def record(name: str, expression: str, *labels: tuple[str, str]) -> Rule:
        return Rule(RuleKind.RECORD, name, expression, labels)

    rules = [record("second", "first * 2"), record("first", "sum by (x) (a)", ("window", "5m")), record("broken", "sum(")]
    known = add_recorded(words(a="x y"), rules)
    assert known.metrics["first"].labels == known.metrics["second"].labels == frozenset({"x", "window"})
    assert "broken" not in known.metrics
    assert [miss.label for miss in infer_labels(parse_promql("sum by (job) (second)"), known).misses] == ["job"]


def test_parts_of_a_histogram_are_found() -> None:
    """`_bucket`, `_sum` and `_count` lead to their metric, and the family of a counter goes without `_total`."""
    contract: Contract = load_contract()
    metric = contract.get("ocr_processing_duration_seconds_bucket")
    assert metric is not None and metric.name == "ocr_processing_duration_seconds"
    assert contract.get("ocr_processing_duration_seconds") is metric
    counter = contract.get("ocr_requests_total")
    assert counter is not None and counter.families == ("ocr_requests_total", "ocr_requests")
    assert contract.get("nosuch") is None
