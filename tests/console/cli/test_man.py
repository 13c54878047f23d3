"""The manual page: complete, from the parser, and accepted by the programs that show it."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from console.cli.main import main
from console.cli.man import escape, manual_page
from console.cli.parser import flags
from console.cli.reference import list_verbs


def test_the_page_has_every_verb_and_flag(capsys: pytest.CaptureFixture[str]) -> None:
    """Every verb, the verbs within them, and every flag of the parser stand in the page that `man` prints."""
    assert main(["man"]) == 0
    page = capsys.readouterr().out
    commands = list(list_verbs())
    assert {"cad-console init", "cad-console rules export", "cad-console incident note"} <= {item.words for item in commands}
    missing = [
        item.words
        for item in commands
        if f".SS {escape(item.words)}\n" not in page and f".B {escape(item.words)}\n" not in page
    ]
    assert missing == []
    written = [name for name, _ in flags()]
    assert written and all(f".B {escape(name)}" in page for name in written)


@pytest.mark.parametrize(
    ("text", "roff"),
    [
        ("a-b", "a\\-b"),
        ("\\d", "\\ed"),
        ("it's", "it\\(aqs"),
        (".hidden", "\\&.hidden"),
        ("one|two", "one|\\:two"),
        ("two\nlines", "two lines"),
    ],
)
def test_text_is_text(text: str, roff: str) -> None:
    """A dash stays a dash, a backslash is no escape, and a line that begins with a dot is no request."""
    assert escape(text) == roff


@pytest.mark.parametrize("command", [("groff", "-man", "-Tutf8", "-ww"), ("mandoc", "-Tutf8", "-Werror")])
def test_the_formatters_accept_it(command: tuple[str, ...]) -> None:
    """groff (man-db) and mandoc (the BSDs, Alpine) format the page without a complaint."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(command, input=manual_page(), capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Find your servers, try each, and write the config file." in done.stdout
