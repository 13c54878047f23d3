"""What a person may have meant: the nearest known name, the list of all, and the order of matches while they type."""

from __future__ import annotations

import pytest

from queries.text.suggestions import match_fuzzily, nearest_names, suggest_spelling


@pytest.mark.parametrize(
    ("word", "known", "sentence"),
    [
        ("deplyments", ["deployments", "pods"], "did you mean 'deployments'? (expected one of deployments, pods)"),
        ("zzz", ["deployments", "pods"], "expected one of deployments, pods"),
        ("zzz", [], "there are none"),
        ("1", [11, 22], "did you mean '11'? (expected one of 11, 22)"),
        ("abxx", ["abcd"], "did you mean 'abcd'? (expected one of abcd)"),
        ("abxxx", ["abcd"], "expected one of abcd"),
    ],
)
def test_the_nearest_name_and_all_names(word: str, known: list[str], sentence: str) -> None:
    """Half of the letters are enough to guess; without a guess all names are listed; numbers are names too."""
    assert suggest_spelling(word, known) == sentence


def test_many_names_are_not_listed_beside_a_guess() -> None:
    """24 names are still listed, 25 only where there is no guess."""
    names = [f"name-{at:02}" for at in range(25)]
    listed = suggest_spelling("name-07x", names[:24])
    assert listed.startswith("did you mean 'name-07'? (expected one of name-00, ") and listed.endswith(", name-23)")
    assert suggest_spelling("name-00x", names) == "did you mean 'name-00'?"
    assert suggest_spelling("zzz", names).endswith("name-23, name-24")


def test_names_are_compared_without_their_case() -> None:
    """Each spelling once, as it was first written, the nearest first, at most three; the caller may choose the spelling."""
    known = ["Paddle", "PADDLE", "paddles", "saddle", "paddled", "deepseek"]
    assert nearest_names("paddle", known) == ("Paddle", "paddles", "paddled")
    assert nearest_names("paddle", known, most=1) == ("Paddle",)
    assert nearest_names("zzz", known) == ()
    assert nearest_names("PADDLE", known, spelling=str, most=9) == ("PADDLE",)
    assert nearest_names("abcxx", ["abcyy"]) == ("abcyy",) and nearest_names("abxxx", ["abyyy"]) == ()


NAMES = ["cad-ml-api", "api", "apis", "rapid", "a-p-i", "cad-ml-worker", "x/rapid api"]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("api", ["api", "apis", "cad-ml-api", "x/rapid api", "rapid", "a-p-i"]),
        ("API", ["api", "apis", "cad-ml-api", "x/rapid api", "rapid", "a-p-i"]),
        ("", NAMES),
        ("cad api", ["cad-ml-api"]),
        ("worker cad", ["cad-ml-worker"]),
        ("cmw", ["cad-ml-worker"]),
        ("cml", ["cad-ml-api", "cad-ml-worker"]),
        ("zz", []),
        ("iz", []),
        ("wz", []),
        ("apiapi", ["x/rapid api"]),
        ("apiapiapi", []),
    ],
)
def test_the_order_of_matches(typed: str, found: list[str]) -> None:
    """Exact, at the start, at the start of a part, inside, then only the letters in order; equal matches keep their order."""
    assert [NAMES[at] for at in match_fuzzily(typed, NAMES)] == found


def test_closer_letters_come_first() -> None:
    """Of names that have only the letters, the one with the shortest span; each letter is looked for after the last."""
    names = ["a----b", "a--b", "-a-b", "b-a"]
    assert [names[at] for at in match_fuzzily("ab", names)] == ["-a-b", "a--b", "a----b"]
    assert match_fuzzily("aab", ["a-b", "a-a-b"]) == (1,)


def test_each_part_may_begin_the_match() -> None:
    """A later part that starts with the word counts, whatever separates the parts; both words add up."""
    for mark in " -_/.:":
        assert match_fuzzily("api", ["xapi", f"xapi{mark}api"]) == (1, 0), mark
    assert match_fuzzily("api", ["xapi+api", "xapi"]) == (0, 1)
    assert match_fuzzily("b a", ["xa b", "a xb", "a b"]) == (2, 1, 0)


def test_only_among_some() -> None:
    """A longer text is looked for only where its beginning was found."""
    assert match_fuzzily("api", NAMES, among=[3, 1]) == (1, 3) and match_fuzzily("api", NAMES, among=[]) == ()
