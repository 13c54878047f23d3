"""PromQL is taken apart by a parser: what Prometheus takes is understood, what it does not take has a place."""

from __future__ import annotations

import pytest

from queries.catalogue.loader import load_board
from queries.promql.rule_files import load_built_in
from queries.promql.syntax import PromqlError, alternatives, constant, parse_promql, same_expression

FORMS = [
    "rate(foo[5m])",
    "foo @ 12.5 offset 5m",
    "max_over_time(rate(foo[1m] offset 1w)[5m:30s] @ end())",
    "histogram_quantile(0.95, sum by (provider, le) (rate(foo_bucket[5m]))) >= 0",
    "foo * on (pod) group_left (node) bar or vector(0)",
    "sum(foo) without (pod, node)",
    'label_replace(foo, "to", "$1", "from", "(.*)")',
    "count_values('version', foo)",
    "foo == bool 2 and on () absent(bar)",
    "holt_winters(foo[5m], 0.5, 0.5)",
    "-foo ^ 2 atan2 bar # why",
    '{"foo.bar", code=~"5.."}',
]


PRINTED = [
    ("up offset 0s", "up"),
    ("rate(foo[5m] offset - 0m) + 1_000", "rate(foo[5m]) + 1000"),
    ("max_over_time(foo[5m:] offset 0)", "max_over_time(foo[5m:])"),
    ('{"the.name",le=~"1|2"}', '{__name__="the.name",le=~"1|2"}'),
    ("{'the.name', \"k8s/x\"!~`a\\d`}", '{"k8s/x"!~"a\\\\d",__name__="the.name"}'),
    ('{"foo",job!="a"} @ 1e9 offset 0h', '{__name__="foo",job!="a"} @ 1000000000.000'),
    ('010 * foo{pod=~"a|b"} OFFSET 0w', '8 * foo{pod=~"a|b"}'),
    ("foo > 0x_1F or bar @ end()", "foo > 31 or bar @ end()"),
]
"""An expression, and how Prometheus 3.16 prints it in a rule (`String` of its parser, v0.316.0)."""


@pytest.mark.parametrize(("text", "printed"), PRINTED)
def test_what_the_parser_misreads_is_what_the_server_prints(text: str, printed: str) -> None:
    """An offset of zero, numbers with `_`, and a quoted name beside a regular expression, which the server writes unquoted."""
    assert same_expression(text, printed)
    assert parse_promql(text).metrics == parse_promql(printed).metrics


@pytest.mark.parametrize("text", ["1__0 * foo", "foo offset 0s5m", "foo[0s]", "offset 0s"])
def test_what_the_server_refuses_stays_refused(text: str) -> None:
    """Only an offset of exactly zero is left out, and only single underscores between digits."""
    with pytest.raises(PromqlError):
        parse_promql(text)
    assert not same_expression("foo offset 0s5m", "foo") and not same_expression('a{b="offset 0s"}', 'a{b=""}')


@pytest.mark.parametrize("text", FORMS)
def test_the_forms_of_the_language_are_taken(text: str) -> None:
    """Functions, aggregations, ranges, subqueries, offsets, @, set operators and matching are all understood."""
    assert parse_promql(text).selectors


def test_names_matchers_and_functions() -> None:
    """Everything that an expression reads is told, in order, with the range in seconds."""
    found = parse_promql('100 * sum by (a) (rate(x_total{code=~"5..",a!=""}[5m])) / on () group_left () y{b="1"}')
    assert found.metrics == ("x_total", "y")
    assert found.words == {"*", "/", "rate", "sum"}
    first, second = found.selectors
    assert [(item.name, item.operator, item.value) for item in first.labels] == [("code", "=~", "5.."), ("a", "!=", "")]
    assert (first.range_seconds, second.range_seconds) == (300.0, None)


def test_a_name_may_be_a_matcher() -> None:
    """`{__name__=~"a|b"}` names both; a pattern that names none gives none, and is no failure."""
    assert parse_promql('max({__name__=~"(ocr|vision)_state"})').metrics == ("ocr_state", "vision_state")
    assert parse_promql('{__name__="a", b="c"}').metrics == ("a",)
    assert parse_promql('{__name__=~"cad:.+"}').metrics == ()


@pytest.mark.parametrize(
    ("pattern", "texts"),
    [
        ("a|b", ("a", "b")),
        ("(ocr|vision)_p(50|95)", ("ocr_p50", "ocr_p95", "vision_p50", "vision_p95")),
        ("(?:invalid_)?base64", ("invalid_base64", "base64")),
        ("jobs?", ("jobs", "job")),
        ("|POD", ("", "POD")),
        ("base64.*", ()),
        ("a{2}", ()),
        ("(a", ()),
        ("a)b", ()),
        ("|".join(str(index) for index in range(300)), ()),
    ],
)
def test_alternatives_are_spelled_out_only_where_they_can_be(pattern: str, texts: tuple[str, ...]) -> None:
    """Words, groups and question marks are listed; anything that could match without end gives nothing."""
    assert alternatives(pattern) == texts


def test_a_raw_string_is_taken_as_it_stands() -> None:
    """Between backticks a backslash is itself, as Prometheus reads it: `5\\d\\d` is the pattern 5\\d\\d, quotes included."""
    found = parse_promql('a{code=~`5\\d\\d`, path="`\\\\d`", text=`"x"`}').selectors[0]
    assert [item.value for item in found.labels] == ["5\\d\\d", "`\\d`", '"x"']


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("sum(rate(a[5m]) +\n  nosuch(b))", (2, 3), "nosuch"),
        ("sum(a) +\n(b", (2, 1), "unclosed"),
        ("sum(a))", (1, 7), "unexpected right parenthesis"),
        ("1 + rate(a)", (1, 5), "matrix"),
        ('a{b=~"["}', (1, 3), "regex"),
        ("histogram_quantile(0.9 sum by (le) (a))", (1, 20), "invalid"),
        ("", (1, 1), "no expression"),
        ("(" * 5000 + "a" + ")" * 5000, (1, 101), "nested"),
        ("a" + "+a" * 5000, (1, 1002), "operators"),
    ],
)
def test_an_error_has_its_place(text: str, place: tuple[int, int], problem: str) -> None:
    """Line and column lead to the smallest part that is wrong, and nothing that is nested without end ends the process."""
    with pytest.raises(PromqlError, match=problem) as caught:
        parse_promql(text)
    assert (caught.value.line, caught.value.column) == place


@pytest.mark.parametrize(
    ("pattern", "valid"),
    [(r"\\Qa.b\\E", True), ("/api/{id}", True), ("a**", False), ("(?x) a", False), ("a{2,1001}", False), (r"\\u0041", False)],
)
def test_re2_decides_about_regular_expressions(pattern: str, valid: bool) -> None:
    """The parser compiles them by Rust's rules, which are not Prometheus'; promtool agrees with these."""
    for text in (f'a{{b=~"{pattern}"}}', f"a{{b!~'{pattern}'}}", f'sum(rate(a{{b="=~",c=~"{pattern}"}}[5m])) # =~"*"'):
        if valid:
            assert [each.operator for each in parse_promql(text).selectors[0].labels][-1] in ("=~", "!~")
        else:
            with pytest.raises(PromqlError, match="invalid regex"):
                parse_promql(text)


@pytest.mark.parametrize("text", ['{a=~".*"}', '{a!~"x"}', '{a=~"|b", c=""}'])
def test_a_selector_without_a_name_needs_a_value(text: str) -> None:
    """Prometheus refuses a selector that matches series without any of its labels, whatever its operators are."""
    with pytest.raises(PromqlError, match="at least one non-empty matcher"):
        parse_promql(text)


def test_a_word_is_found_where_it_stands() -> None:
    """The line of a metric or a label's value, and not inside of a longer name or a comment."""
    found = parse_promql('foo_bar # bar\n+ on ()\nbar{code="X"}')
    assert (found.line_of("bar"), found.line_of("X"), found.line_of("nowhere")) == (2, 2, 0)


@pytest.mark.parametrize(
    ("text", "value"), [("(100 - 99.9)", 100 - 99.9), ("-(2)", -2.0), ("1 / 0", None), ("vector(1)", None)]
)
def test_numbers_are_folded(text: str, value: float | None) -> None:
    """A number that is written as a small sum is that number; what needs a server is none."""
    assert constant(parse_promql(text).root) == value


def test_everything_of_ours_is_understood() -> None:
    """Every rule and panel parses, and each part of each is right by itself, so that no error points at it."""
    panels = [text for spec in load_board("overview") for text in (spec.raw, spec.recorded) if text]
    rules = [placed.rule.expression for file in load_built_in() for placed in file.rules]
    assert rules
    for text in [*panels, *rules]:
        assert parse_promql(text).selectors or "vector(" in text
        with pytest.raises(PromqlError) as caught:
            parse_promql(f"{text}\n+ nosuch(1)")
        assert caught.value.offset > len(text)


@pytest.mark.parametrize(("depth", "fits"), [(100, True), (101, False)])
@pytest.mark.parametrize("brackets", ["()", "({"])
def test_brackets_may_be_nested_a_hundred_deep(depth: int, fits: bool, brackets: str) -> None:
    """Of whatever kind: a parser that follows more would end the program."""
    text = "(" * (depth - 1) + ("(a)" if brackets == "()" else "a{}") + ")" * (depth - 1)
    if fits:
        assert [item.metric for item in parse_promql(text).selectors] == ["a"]
    else:
        with pytest.raises(PromqlError, match="nested more than 100 deep"):
            parse_promql(text)


@pytest.mark.parametrize(("operators", "fits"), [(500, True), (501, False)])
@pytest.mark.parametrize("operator", ["+", "or"])
def test_an_expression_has_at_most_500_operators(operators: int, fits: bool, operator: str) -> None:
    """Signs and words alike."""
    text = f" {operator} ".join(["a"] * (operators + 1))
    if fits:
        assert len(parse_promql(text).selectors) == operators + 1
    else:
        with pytest.raises(PromqlError, match="more than 500 operators"):
            parse_promql(text)
