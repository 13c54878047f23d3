"""Which labels the series of an expression have, and which uses of a label match nothing."""

from __future__ import annotations

import pytest

from queries.model.rule import Rule, RuleKind
from queries.promql.label_inference import LabelSet, add_recorded, infer_labels
from queries.promql.metric_catalog import MetricCatalog, MetricInfo
from queries.promql.syntax import constant, is_scalar, parse_promql, same_expression, select_metric


def info(name: str, *labels: str, values: dict[str, tuple[str, ...]] | None = None) -> MetricInfo:
    return MetricInfo(name, frozenset(labels), values or {}, certain=frozenset(labels))


CATALOG = MetricCatalog(
    {
        item.name: item
        for item in (info("a", "x", "y"), info("b", "x", "z"), info("h_bucket", "x", "le"), MetricInfo("any", None))
    },
    complete=True,
)


def misses(text: str) -> list[tuple[str, str, str]]:
    return [(item.label, item.how, item.what) for item in infer_labels(parse_promql(text), CATALOG).misses]


@pytest.mark.parametrize(
    ("text", "missed"),
    [
        ('a{x="1"}', []),
        ('a{q="1"}', ["q"]),
        ('a{q!="1"}', []),
        ('any{q="1"}', []),
        ("sum by (x) (a)", []),
        ("sum by (q, x) (a)", ["q"]),
        ("sum without (q) (a)", []),
        ("sum by (y) (sum by (x) (a))", ["y"]),
        ("sum by (y) (sum without (y) (a))", ["y"]),
        ('label_replace(a, "new", "$1", "x", "(.*)")', []),
        ('label_replace(a, "new", "$1", "q", "(.*)")', ["q"]),
        ('label_replace(a, "new", "k", "", "")', []),
        ('sum by (new) (label_replace(a, "new", "$1", "x", "(.*)"))', []),
        ('label_join(a, "new", "-", "x", "q")', []),
        ('label_join(a, "new", "-", "p", "q")', ["p", "q"]),
        ('sum by (new) (label_join(a, "new", "-", "x"))', []),
        ("sum by (le) (histogram_quantile(0.9, h_bucket))", ["le"]),
        ("sum by (x) (histogram_quantile(0.9, h_bucket))", []),
        ("sum by (x) (rate(a[5m]))", []),
        ("sum by (q) (rate(a[5m]))", ["q"]),
        ('sum by (x) (absent(a{x="1"}))', []),
        ('sum by (y) (absent(a{x="1"}))', ["y"]),
        ("a * on (x) b", []),
        ("a * on (q) b", ["q", "q"]),
        ("a * on (y) b", ["y"]),
        ("a * ignoring (q) b", []),
        ("sum by (z) (a * on (x) group_left (z) b)", []),
        ("sum by (z) (a * on (x) b)", ["z"]),
        ("sum by (y) (a * on (x) group_right (y) b)", []),
        ("sum by (z) (a and on (x) b)", ["z"]),
        ("sum by (z) (a or b)", []),
        ("sum by (q) (a or b)", ["q"]),
        ("sum by (x) (a * 2)", []),
        ("sum by (q) (2 * a)", ["q"]),
        ("sum by (q) (vector(1))", []),
        ("sum by (q) (any)", []),
        ("sum by (q) (-a)", ["q"]),
        ("topk by (q) (1, a)", ["q"]),
        ("sum by (y) (topk(1, a))", []),
        ('sum by (v) (count_values("v", a))', []),
    ],
)
def test_a_label_that_no_series_has(text: str, missed: list[str]) -> None:
    """Each use beside a sound twin: matchers, groupings, functions that make or take labels, and operations of two."""
    assert [label for label, _, _ in misses(text)] == missed


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sum by (q) (a)", ("q", "sum by", "a")),
        ("a * on (z) b", ("z", "on", "a")),
        ('label_replace(a or b, "n", "$1", "q", "")', ("q", "label_replace", "a, b")),
        ('label_join(a, "n", "-", "q")', ("q", "label_join", "a")),
    ],
)
def test_a_use_in_vain_is_named(text: str, found: tuple[str, str, str]) -> None:
    """The label, what uses it, and the series that lack it."""
    assert misses(text) == [found]


def mismatches(text: str) -> list[tuple[str, str, str, str, str, tuple[str, ...]]]:
    found = infer_labels(parse_promql(text), CATALOG).mismatches
    return [(item.operator, item.label, item.side, item.what, item.other, item.values or ()) for item in found]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a + a", []),
        ("sum by (x) (a) + sum by (x) (b)", []),
        ("sum by (x, y) (a) + sum by (x) (b)", [("+", "y", "left", "a", "b", ())]),
        ("sum by (x) (b) + sum by (x, y) (a)", [("+", "y", "right", "a", "b", ())]),
        ("sum by (x, y) (a) + on (x) sum by (x) (b)", []),
        ("sum by (x, y) (a) + ignoring (y) sum by (x) (b)", []),
        ('a{x="1"} + a{x="2"}', [("+", "x", "left", "a", "a", ("1", "2"))]),
        ('a{x="1"} + a{x="1"}', []),
        ('a{x="1"} + ignoring (x) a{x="2"}', []),
        ('a{x="1"} + on (y) a{x="2"}', []),
        ('a{x="1"} + on (x) a{x="2"}', [("+", "x", "left", "a", "a", ("1", "2"))]),
        ('a{x="1"} or a{x="2"}', []),
        ("a + 1", []),
    ],
)
def test_a_join_that_never_matches(text: str, found: list[tuple[str, str, str, str, str, tuple[str, ...]]]) -> None:
    """A label that only one side has, or that has another value on each, unless the operation does not match by it."""
    assert mismatches(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sum by (x, y) (a) * on (x) sum by (x) (b)", [("*", "y", "left", "a")]),
        ("sum by (x) (b) * on (x) sum by (x, y) (a)", [("*", "y", "right", "a")]),
        ("sum by (x, y) (a) * ignoring (y) sum by (x) (b)", [("*", "y", "left", "a")]),
        ("sum by (x, y) (a) * on (x) group_left () sum by (x) (b)", []),
        ("sum by (x) (a) * on (x) sum by (x) (b)", []),
        ("a * on (x) b", []),
        ("sum by (x, y) (a) and on (x) sum by (x) (b)", []),
    ],
)
def test_many_series_of_one_side(text: str, found: list[tuple[str, str, str, str]]) -> None:
    """An aggregation keeps a label by which a one-to-one operation does not match: it fails as soon as there are two."""
    assert [
        (item.operator, item.label, item.side, item.what) for item in infer_labels(parse_promql(text), CATALOG).many
    ] == found


def test_labels_flow_through_recording_rules() -> None:
    """A recorded series has the labels of its expression and of its rule; an empty label takes one away."""
    rules = [
        Rule(RuleKind.RECORD, "r:one", "sum by (x) (a)", (("team", "t"),)),
        Rule(RuleKind.RECORD, "r:two", "sum by (x, team) (r:one)", (("x", ""),)),
        Rule(RuleKind.ALERT, "Alert", "a", (("q", "1"),)),
    ]
    known = add_recorded(CATALOG, rules)
    one, two = known.metrics["r:one"], known.metrics["r:two"]
    assert (one.labels, one.certain, one.fixed, one.recorded) == ({"x", "team"}, {"x", "team"}, {"team": "t"}, True)
    assert two.labels == {"team"} and "Alert" not in known.metrics
    assert [item.label for item in infer_labels(parse_promql("sum by (x) (r:two)"), known).misses] == ["x"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5.0), ("-5", -5.0), ("(((2)))", 2.0), ("2 * 3", 6.0), ("2 ^ 3", 8.0), ("7 - 2 * 3", 1.0), ("6 / 4", 1.5),
        ("1 / 0", None), ("up", None), ("-up", None), ("1 + up", None), ("time()", None),
        ("10 ^ 1000", None), ("1 > bool 0", None),
    ],
)  # fmt: skip
def test_constants_are_computed(text: str, value: float | None) -> None:
    """Numbers, signs, parentheses and arithmetic; nothing that a server has to evaluate, and no number that is none."""
    assert constant(parse_promql(text).root) == value


@pytest.mark.parametrize(
    ("text", "scalar"),
    [
        ("5", True),
        ("-(5)", True),
        ("time() - 3600", True),
        ("scalar(up)", True),
        ("5 * up", False),
        ("vector(1)", False),
        ("up", False),
    ],
)
def test_scalars(text: str, scalar: bool) -> None:
    """What has no labels at all; a vector of one number has."""
    assert is_scalar(parse_promql(text).root) is scalar


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("sum(a) by (x)", "sum by (x) (a)", True),
        ("a{b='c'}", 'a{b="c"}', True),
        ("a # comment", "a", True),
        ("a + b", "b + a", False),
        ("limitk(1,  a) #", "limitk(1, a) #", True),
        ("sum(((", "sum( ( (", True),
        ("sum(((", "sum((", False),
    ],
)
def test_two_spellings_of_one_expression(one: str, other: str, same: bool) -> None:
    """Also of what the parser does not know: then token by token."""
    assert same_expression(one, other) is same


def test_a_selector_of_one_metric() -> None:
    """A name of letters as it is, any other in quotes and braces."""
    assert (select_metric("job:a_b:rate5m"), select_metric("a.b"), select_metric("5a")) == (
        "job:a_b:rate5m",
        '{"a.b"}',
        '{"5a"}',
    )


@pytest.mark.parametrize(
    ("text", "written", "metrics"),
    [
        ("a", "a{}", ("a",)),
        ('a{b!="c"}[5m]', 'a{b!="c"}', ("a",)),
        ('{"a.b", c=~"d"}', '{"a.b",c=~"d"}', ("a.b",)),
        ('{__name__=~"a|b"}', '{__name__=~"a|b"}', ("a", "b")),
        ('{__name__=~"a.*", c!~"d"}', '{__name__=~"a.*",c!~"d"}', ()),
        ('a{"b.c"="d\\"e"}', 'a{"b.c"="d\\"e"}', ("a",)),
    ],
)
def test_a_selector_is_written_as_it_was(text: str, written: str, metrics: tuple[str, ...]) -> None:
    """Without its range, with quotes where a name needs them, and the names that it spells out."""
    (found,) = parse_promql(text).selectors
    assert (found.text, found.metrics) == (written, metrics)
    assert parse_promql(found.text).selectors[0].text == written


def test_a_set_without_an_end_knows_what_it_lacks() -> None:
    """Any label but some: each one more that is dropped is another of those, and one that is added is none of them any more."""
    some, any_but = LabelSet(frozenset({"a", "b"})), LabelSet(frozenset({"a"}), open=True)

    def has(labels: LabelSet) -> str:
        return "".join(name for name in "abc" if labels.can_have(name))

    assert (has(some), has(any_but)) == ("ab", "bc")
    assert has(some.without(frozenset({"b", "c"}))) == "a" and has(any_but.without(frozenset({"b"}))) == "c"
    assert has(some.plus(frozenset({"c"}))) == "abc" and has(any_but.plus(frozenset({"a"}))) == "abc"
    assert has(some.only(frozenset({"a", "c"}))) == "a" and has(any_but.only(frozenset({"a", "c"}))) == "c"
    assert [has(labels.without(frozenset())) for labels in (some, any_but)] == ["ab", "bc"]
    assert has(some.union(any_but)) == has(any_but.union(some)) == "abc"
    other = LabelSet(frozenset({"a", "c"}), open=True)
    assert has(any_but.union(other)) == "bc" and has(some.union(LabelSet(frozenset({"c"})))) == "abc"
