"""The variables of a service's files: which lines are read, what a quote is, and which values nothing may show."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.actions.environment import build_environment, read_variables, secret_values
from console.actions.plan import ActionRefused
from console.config.services import Programs


def variables(folder: Path, *texts: str) -> dict[str, str]:
    files = []
    for number, text in enumerate(texts):
        (folder / str(number)).write_text(text)
        files.append(str(folder / str(number)))
    return read_variables(Programs("x", env_files=tuple(files)))


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("a b", "a b"), ("'a b'", "a b"), ('"a b"', "a b"), ("''", ""), ('""', ""), ("'", "'"), ('"', '"'), ("'a", "'a"),
        ("a'", "a'"), ("'a\"", "'a\""), ("'a'b'", "a'b"), ("aba", "aba"), ("", ""), ("a=b", "a=b"),
    ],
)  # fmt: skip
def test_a_value_is_unquoted_between_two_equal_quotes(tmp_path: Path, written: str, value: str) -> None:
    """Two quotes are an empty value, one quote alone is a character, and only quotes are quotes."""
    assert variables(tmp_path, f"NAME={written}\n") == {"NAME": value}


def test_later_files_win_and_other_lines_are_none(tmp_path: Path) -> None:
    first = "# a comment\n\n  export A=1  \nB=2\n  # C=3\n"
    assert variables(tmp_path, first, "B=9\n_c1=x") == {"A": "1", "B": "9", "_c1": "x"}
    for text, number in (("A=1\nB\n", 2), ("1A=x", 1), ("A=1\n\n#\nA B=1", 4), ("A=a\0b", 1)):
        with pytest.raises(ActionRefused, match=rf"0, line {number}: expected NAME=value"):
            variables(tmp_path, text)
    with pytest.raises(ActionRefused, match="cannot be read as text"):
        read_variables(Programs("x", env_files=(str(tmp_path / "missing"),)))


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("PASSWORD", "abc", False), ("PASSWORD", "abcd", True), ("my_api_key", "true", True), ("DSN", "1.25", True),
        ("LEVEL", "debug", False), ("LEVEL", "abcdefghijkl", False), ("LEVEL", "abcdefghijklm", True), ("LEVEL", "aBcd", True),
        ("PORT", "8080", False), ("RATE", "0.25", False), ("FOLDER", "/srv/d-1/x", False), ("URL", "https://host:80/a", False),
        ("URL", f"https://user:{'pass'}@host/a", True), ("LEVEL", "x y z", True), ("LEVEL", "x y", False),
    ],
)  # fmt: skip
def test_a_value_is_secret_by_its_name_or_its_form(name: str, value: str, secret: bool) -> None:
    """Four characters are enough; words, numbers, paths and URLs are no secrets under an ordinary name."""
    assert secret_values({"OTHER": "plain", name: value}) == (frozenset({value}) if secret else frozenset())


def test_a_program_gets_few_variables_of_the_console(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that say where and in which language it runs; the files' own go over them."""
    for name in ("PATH", "LC_TIME", "TZ", "CAD_TOKEN", "PATHS", "MY_PATH", "HOME"):
        monkeypatch.setenv(name, f"of {name}")
    found = build_environment({"HOME": "/own", "X": "1"})
    assert found["PATH"] == "of PATH" and found["LC_TIME"] == "of LC_TIME" and (found["HOME"], found["X"]) == ("/own", "1")
    assert not {"CAD_TOKEN", "PATHS", "MY_PATH"} & found.keys()
