"""Matchers against Alertmanager's own: what it takes, what it makes of it, and which alerts it picks by it."""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers import ALERTMANAGERS, alertmanager_of, start_alertmanager

from console.demo.server_binaries import Servers
from queries.model.matcher import Matcher, MatcherError, parse_matchers

pytestmark = pytest.mark.servers

VALUES = (
    *("", "a", "b", "A", "k", "K", "1", "_", "-", "^", "\\", '"', "ab", "ba", "aab", "a\n", "\n", "a\nb", "a b", "\t", "{a}"),
    *("é", "É", "ß", "ſ", "s", "İ", "i", "Ω", "ω", "é1", "中", "٣", "\u212a", "\u00a0", "\u2028", "😀", "\ufffd"),
)
"""Label values where Python's and Go's expressions part: newlines, cases that fold, digits and spaces of other scripts."""

TOKENS = (
    *"abAkK1_- ^$.*+?|()[]{},=é中",
    *(
        "(?:",
        "(?i)",
        "(?s)",
        "(?m)",
        "(?U)",
        "(?i:",
        "(?-s)",
        "(?P<n>",
        "(?P<é>",
        "[^",
        "{2}",
        "{1,2}",
        "{,2}",
        "{0}",
        "{1001}",
    ),
    *(r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", r"\b", r"\B", r"\A", r"\z", r"\Z", r"\pL", r"\PL", r"\p{Lu}", r"\p{Greek}"),
    *(r"\p{^Lu}", r"\p{No}", r"\x41", r"\x{41}", r"\x{110000}", r"\Q", r"\E", r"\C", r"\n", r"\t", r"\v", r"\1", r"\0", r"\."),
    *("\\", "\\\\", "\\-", '\\"', r"\e", r"\h", r"\R", r"\K", r"\G", "[:alpha:]", "[[:word:]]", "[[:^space:]]", "[[:no:]]"),
    *("(?=", "(?!", "(?<=", "(?>", "(?#", "*?", "+?", "++", "**", "a-z", "z-a", "&&", "\n", "(?x)", "(?P=n)", "(?i"),
)
"""Pieces of valid and invalid expressions. Named groups with `(?<` and names like `Letter` are left out: whether an
Alertmanager takes them depends on the Go that built it."""


@pytest.fixture(scope="module", params=ALERTMANAGERS)
def programs(request: pytest.FixtureRequest) -> Servers:
    return alertmanager_of(request.param)


@pytest.fixture(scope="module")
def manager(programs: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Alertmanager with one alert for each value of the label `v`; the empty value is an alert without the label."""
    folder, ends = tmp_path_factory.mktemp("alertmanager"), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    fired = [{"labels": {"alertname": "A", "n": str(at), "v": value}, "endsAt": ends} for at, value in enumerate(VALUES)]
    with (
        start_alertmanager(folder=folder, programs=programs) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=10.0) as http,
    ):
        http.post("/api/v2/alerts", json=fired).raise_for_status()
        yield http


def picked(http: httpx.Client, matcher: str) -> set[str] | None:
    """The values whose alerts Alertmanager picks; None where it refuses the matcher."""
    answer = http.get("/api/v2/alerts", params={"filter": matcher})
    if answer.status_code == 400:
        return None
    return {item["labels"].get("v", "") for item in answer.raise_for_status().json()}


def matched(matcher: Matcher) -> set[str] | None:
    try:
        return {value for value in VALUES if matcher.matches((("v", value),) if value else ())}
    except MatcherError:
        return None


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(st.sampled_from(TOKENS), min_size=1, max_size=6), is_equal=st.booleans())
def test_the_same_alerts_are_picked(manager: httpx.Client, pieces: list[str], is_equal: bool) -> None:
    """Of any expression Alertmanager and the console say the same: that it is none, or which label values it matches."""
    matcher = Matcher("v", "".join(pieces), is_regex=True, is_equal=is_equal)
    assert matched(matcher) == picked(manager, str(matcher))


def test_the_expressions_of_the_issue(manager: httpx.Client) -> None:
    """Expressions on which Python and RE2 differ, each of them one by one, with all four operators."""
    patterns = [r"\w+", r"\d", r"\s", r"\p{Lu}", r"\pL+", r"\Qa b\E", r"a.\z", "(?=a).*", "[[:upper:]]", "a$", "a.b", "(?s)a.b"]
    patterns += [
        "(?i)k",
        "(?i)ß",
        "(?i)ſ",
        "",
        "a?",
        "a)|(?:.*b",
        r"\C",
        "a++",
        r"(a)\1",
        "(?m)a$",
        "(?m)^b$",
        ".",
        "[^a]",
        r"\Qa",
    ]
    differ = 0
    for pattern in patterns:
        for operator in ((True, True), (True, False), (False, True), (False, False)):
            matcher = Matcher("v", pattern, *operator)
            told = picked(manager, str(matcher))
            assert matched(matcher) == told, matcher
            differ += told not in (None, set(), set(VALUES))
    assert differ > 40


TEXTS = (
    *('a="b"', "a=b", "c=~d|e", 'f!~"(?i)x"', "g!=h", '"é n"="x"', 'é="x"', "foo.bar=x", '"a"', "a", "b", '"', "\\", "{", "}"),
    *(
        ",",
        ", ",
        " ",
        "=",
        "!=",
        "=~",
        "!~",
        "!",
        "~",
        r"\d",
        r"\"",
        r"\\",
        r"\n",
        r"\t",
        r"\x41",
        r"\u00e9",
        "\u00a0",
        "'",
        "`",
        ":",
    ),
)


def test_the_parser_takes_what_alertmanager_takes(programs: Servers, tmp_path: Path) -> None:
    """Of hundreds of texts the same ones are matchers, and they are the same matchers.

    amtool reads them as matchers of routes, and prints the routes. An amtool of before 0.27 has the older parser only: what
    that one takes has to mean the same here.
    """
    rng = random.Random(9)  # the same texts each time
    texts = ["".join(rng.choice(TEXTS) for _ in range(rng.randint(1, 6))) for _ in range(1500)]
    files = []
    for at, text in enumerate(texts):
        files.append(tmp_path / f"{at}.yml")
        files[-1].write_text(config([text]))
    told = subprocess.run([programs.amtool, "check-config", *files], capture_output=True, text=True, check=False)
    taken = ["  SUCCESS\n" in block for block in told.stdout.split("Checking '")[1:]]
    assert len(taken) == len(texts)
    newer = version(programs) >= (0, 27)
    ours = [parsed(text) for text in texts]
    wrong = [(text, here) for text, here, there in zip(texts, ours, taken, strict=True) if there and here is None]
    wrong += [(text, here) for text, here, there in zip(texts, ours, taken, strict=True) if newer and here and not there]
    assert not wrong
    valid = [(text, here) for text, here, there in zip(texts, ours, taken, strict=True) if there and here]
    assert len(valid) > 100
    (tmp_path / "all.yml").write_text(config([text for text, _ in valid]))
    shown = subprocess.run(
        [programs.amtool, "config", "routes", "show", f"--config.file={tmp_path / 'all.yml'}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    routes = [line[line.index("{") : line.rindex("  receiver")] for line in shown.split("\n") if "── {" in line]
    assert len(routes) == len(valid)
    for (text, here), route in zip(valid, routes, strict=True):
        assert sorted(map(str, here or ())) == sorted(map(str, parse_matchers(route))), text


def config(texts: list[str]) -> str:
    routes = [{"matchers": [text], "receiver": "nobody"} for text in texts]
    return json.dumps({"route": {"receiver": "nobody", "routes": routes}, "receivers": [{"name": "nobody"}]})


def parsed(text: str) -> tuple[Matcher, ...] | None:
    try:
        return parse_matchers(text)
    except MatcherError:
        return None


def version(programs: Servers) -> tuple[int, ...]:
    told = subprocess.run([programs.amtool, "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in told.split()[2].split(".")[:2])
