"""What is kept of the console's own YAML: never another value than its text has, whatever happens to the file."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from queries import shipped
from queries.catalogue.loader import expand_query
from queries.catalogue.recalled_query import recall_query
from queries.catalogue.signals import SignalError
from queries.shipped import CACHE_NAME, load_shipped, parse_shipped, recall, save_parsed
from queries.yaml import load_yaml

CATALOGUE = Path(shipped.__file__).parent / "catalogue"


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the values are kept; the module starts with none in memory."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    start_over()
    return tmp_path / "cad-console" / CACHE_NAME


def start_over() -> None:
    """As another process."""
    importlib.reload(shipped)


def parsed(text: str, monkeypatch: pytest.MonkeyPatch) -> tuple[object, bool]:
    """The value of a text for another process, and whether it had to parse it."""
    start_over()
    calls: list[str] = []

    def parse(text: str) -> object:
        calls.append(text)
        return load_yaml(text, where="text")

    return parse_shipped(text, parse), bool(calls)


@pytest.mark.parametrize("path", sorted(CATALOGUE.glob("*.yaml")), ids=lambda path: path.name)
def test_a_file_has_the_same_value_from_the_cache(path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file of the catalogue, keys that are numbers included."""
    value = load_shipped(path)
    save_parsed()
    start_over()
    assert load_shipped(path) == value == load_yaml(path.read_text(encoding="utf-8"), where=path.name)
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_text_is_parsed_once(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process finds the value; another text has its own."""
    assert parsed("a: 1", monkeypatch) == ({"a": 1}, True)
    save_parsed()
    assert parsed("a: 1", monkeypatch) == ({"a": 1}, False)
    assert parsed("a: 2", monkeypatch) == ({"a": 2}, True)


@pytest.mark.parametrize("text", ["a: .nan", "a: 2026-01-02", "a: 100000000000000000000"])
def test_a_value_that_would_come_back_as_another_is_not_kept(kept: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """It is parsed each time."""
    first, _ = parsed(text, monkeypatch)
    save_parsed()
    assert parsed(text, monkeypatch)[1] or repr(parsed(text, monkeypatch)[0]) == repr(first)


@pytest.mark.parametrize("damage", ["empty", "cut", "changed", "garbage", "folder", "writable by others", "link to nowhere"])
def test_a_damaged_file_counts_as_none(kept: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    """The text is parsed again, and its value is right; a file that can be replaced is."""
    parsed("a: 1", monkeypatch)
    save_parsed()
    content = kept.read_bytes()
    if damage == "folder":
        kept.unlink()
        kept.mkdir()
    elif damage == "link to nowhere":
        kept.unlink()
        kept.symlink_to(kept.parent / "nowhere")
    elif damage == "writable by others":
        kept.chmod(0o666)
    else:
        changed = content.replace(b"\x01", b"\x02")
        kept.write_bytes({"empty": b"", "cut": content[:-1], "changed": changed, "garbage": b"\xff" * 99}[damage])
    assert parsed("a: 1", monkeypatch) == ({"a": 1}, True)
    save_parsed()
    assert parsed("a: 1", monkeypatch) == ({"a": 1}, damage == "folder")


def test_a_damaged_value_costs_only_itself(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is parsed again; the file still gives the others, and is whole again once that value was saved."""
    for text in ("a: first", "a: second"):
        parse_shipped(text, lambda text: load_yaml(text, where="text"))
    save_parsed()
    kept.write_bytes(kept.read_bytes().replace(b"first", b"f1rst"))
    assert parsed("a: second", monkeypatch) == ({"a": "second"}, False)
    assert parsed("a: first", monkeypatch) == ({"a": "first"}, True)
    save_parsed()
    assert [parsed(text, monkeypatch)[1] for text in ("a: first", "a: second")] == [False, False]


def test_a_command_reads_only_the_values_that_it_asks_for(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a file of megabytes it reads the index and one value, so the length of the file costs nothing."""
    for number in range(300):
        parse_shipped(f"a: {number}{'-' * 9_000}", lambda text: load_yaml(text, where="text"))
    save_parsed()
    sizes: list[int] = []
    read = os.pread

    def count(number: int, size: int, at: int) -> bytes:
        sizes.append(size)
        return read(number, size, at)

    monkeypatch.setattr(os, "pread", count)
    assert parsed(f"a: 7{'-' * 9_000}", monkeypatch)[1] is False
    assert kept.stat().st_size > 2_000_000
    assert sum(sizes) < 60_000


def test_the_file_of_the_former_release_is_removed(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would stay for ever, with megabytes; a file of another name stays."""
    kept.parent.mkdir()
    for name in ("parsed-1.msgpack", "other"):
        (kept.parent / name).write_bytes(b"values")
    parsed("a: 1", monkeypatch)
    save_parsed()
    assert sorted(path.name for path in kept.parent.iterdir()) == ["other", kept.name]


OTHER = """
from queries.shipped import parse_shipped, save_parsed
parse_shipped("b: [1, 2, 3]", lambda _: {"b": [1, 2, 3]})
save_parsed()
"""


def test_a_file_that_another_console_replaces_keeps_its_values(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that has read the index finds its values where they were, and saves what it adds beside the others'."""
    assert parsed("a: 1", monkeypatch) == ({"a": 1}, True)
    save_parsed()
    assert parsed("a: 0", monkeypatch) == ({"a": 0}, True)  # has read the index
    subprocess.run([sys.executable, "-c", OTHER], check=True, timeout=60)
    assert parse_shipped("a: 1", lambda _: pytest.fail("parsed again")) == {"a": 1}
    save_parsed()
    assert [parsed(text, monkeypatch)[1] for text in ("a: 0", "a: 1", "b: [1, 2, 3]")] == [False] * 3


def test_where_nothing_can_be_written_everything_is_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file where the folder should be: no error, and no cache."""
    (tmp_path / "cad-console").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for _ in range(2):
        assert parsed("a: 1", monkeypatch) == ({"a": 1}, True)
        save_parsed()


def test_results_are_told_apart_by_kind(kept: Path) -> None:
    """The same facts of two kinds have two results."""
    assert recall("one", "facts", lambda: [1]) == [1]
    assert recall("other", "facts", lambda: [2]) == [2]
    assert recall("one", "facts", lambda: [3]) == [1]


def test_a_query_of_a_runbook_is_expanded_as_without_a_cache(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the cache it is the same text, and what cannot be expanded is an error each time."""
    text = "sum(${ocr_failures[5m]})"
    assert recall_query(text) == expand_query(text)
    save_parsed()
    start_over()
    monkeypatch.setattr("queries.catalogue.loader.expand_query", lambda text: pytest.fail("expanded again"))
    assert recall_query(text) == expand_query(text)
    monkeypatch.undo()
    for _ in range(2):
        with pytest.raises(SignalError, match="no signal 'nonsense'"):
            recall_query("${nonsense}")
