"""Matchers as Alertmanager parses and evaluates them; the tests against its own parser are in test_matchers_server."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.model.matcher import Matcher, MatcherError, parse_matchers
from queries.promql.syntax import LabelMatcher


@pytest.mark.parametrize(
    ("pattern", "value", "hit"),
    [
        ("[[:upper:]][[:lower:]]+", "Alert", True),  # Python: a set of characters
        (r"\w+", "Zürich", False),  # Python: matches, its \w is Unicode's
        (r"\d", "٣", False),
        (r"\s", "\u00a0", False),
        (r"\p{Lu}\p{Ll}+", "Alert", True),  # Python refuses these
        (r"\pL+", "Zürich", True),
        (r"\QSlash/And:Colon\E", "Slash/And:Colon", True),
        (r"Ans.\z", "Answ", True),
        ("Ans$", "Ans\n", False),
        ("a.b", "a\nb", False),
        ("(?s)a.b", "a\nb", True),
        ("(?i)straße", "STRAßE", True),
        ("(?i)k", "\u212a", True),
        ("a|b", "ab", False),
        ("a)|(?:.*b", "xb", True),  # the anchors go around the text, as Alertmanager's do
        (r"\\C", r"\C", True),
        (r"\Q\C\E", r"\C", True),
        ("[(?P<é>]", "é", True),
        ("(?P<a>x)", "x", True),
        ("", "", True),
        ("", "x", False),
    ],
)
def test_regular_expressions_are_those_of_re2(pattern: str, value: str, hit: bool) -> None:
    """What Alertmanager's RE2 matches is matched, also where Python's expressions say otherwise."""
    labels = (("city", value),) if value else ()
    assert Matcher("city", pattern, is_regex=True).matches(labels) is hit
    assert Matcher("city", pattern, is_regex=True, is_equal=False).matches(labels) is not hit


@pytest.mark.parametrize(
    "pattern", ["(?=A).*", "(?<!a)b", "(?>a)", "a++", "a**", r"(a)\1", r"\Z", r"\C", "(?P<é>a)", r"\Qa", "(", "a\\", "a{1001}"]
)
def test_what_re2_refuses_is_said_with_its_words(pattern: str) -> None:
    """An invalid expression is called that, with RE2's reason; it never becomes `no alert`."""
    escaped = pattern.replace("\\", "\\\\")
    with pytest.raises(MatcherError, match=r"not a regular expression: [a-z]"):
        parse_matchers(f'alertname=~"{escaped}"')
    with pytest.raises(MatcherError, match=r"not a regular expression: [a-z]"):
        Matcher("alertname", pattern, is_regex=True).matches(())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ()),
        ("{}", ()),
        (' { a = "b" , } ', (Matcher("a", "b"),)),
        ('a="b",c=~"d|e"', (Matcher("a", "b"), Matcher("c", "d|e", is_regex=True))),
        ("a=b c", (Matcher("a", "b c"),)),
        (r'a=~"\d+"', (Matcher("a", r"\d+", is_regex=True),)),
        (r'a="x\ty"', (Matcher("a", r"x\ty"),)),  # both parsers take it and differ: the older one counts
        (r'"a b"="x\ty"', (Matcher("a b", "x\ty"),)),
        (r'"a b"="\u00e9\x41\303\251"', (Matcher("a b", "éAé"),)),
        ("foo.bar!=x", (Matcher("foo.bar", "x", is_equal=False),)),
        ('größe!~"(?i)l"', (Matcher("größe", "(?i)l", is_regex=True, is_equal=False),)),
        ("a=", (Matcher("a", ""),)),
        ('a="x,y"', (Matcher("a", "x,y"),)),
    ],
)
def test_both_parsers_of_alertmanager(text: str, found: tuple[Matcher, ...]) -> None:
    """Classic matchers and label names in UTF-8 mean what Alertmanager takes them for."""
    assert parse_matchers(text) == found


@pytest.mark.parametrize(
    "text",
    ["a", "a=b,,c=d", '{"a b"="c"', 'a="b', 'a=b"', '"a"=b c', r'"a"="\z"', r'"a"="\xff"', "a=b\udcff", "=b", "a~b", ","],
)
def test_what_alertmanager_refuses_is_refused(text: str) -> None:
    """Neither parser takes it: the message says where."""
    with pytest.raises(MatcherError, match=r"expected|missing|invalid|UTF-8"):
        parse_matchers(text)


@given(
    st.builds(
        Matcher,
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
        st.text(st.characters(exclude_categories=["Cs"])),
    )
)
def test_what_is_written_is_read_again(matcher: Matcher) -> None:
    """Whatever label name and value a matcher has, its text means that matcher."""
    assert parse_matchers(str(matcher)) == (matcher,)


def test_promql_matches_as_prometheus_3() -> None:
    """The lint's matchers are RE2 as well; a dot takes a newline there."""
    assert LabelMatcher("city", "=~", r"\pL+.").matches("Zürich\n")
    assert not LabelMatcher("city", "=~", r"\w+").matches("Zürich")
    assert LabelMatcher("city", "=~", "(?=a)").matches("anything")


def test_re2_is_loaded_by_the_first_regular_expression_only() -> None:
    """Neither the import nor a plain matcher loads the extension module: the start does not pay for it."""
    code = """
import sys
from queries.model.matcher import parse_matchers
parse_matchers('a="b"')[0].matches(())
assert "re2" not in sys.modules
parse_matchers('a=~"b"')
assert "re2" in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
