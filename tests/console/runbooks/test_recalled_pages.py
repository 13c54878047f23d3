"""The shipped runbooks from the cache: those of the files as they are now, whatever was kept."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest

from console.runbooks import recalled_pages
from console.runbooks.index import RunbookIndex
from console.runbooks.page import read_page
from queries import shipped

SHIPPED = Path(shipped.__file__).parents[1] / "runbooks"
PAGE = (
    "---\ntitle: One\nalerts: [A]\nsteps:\n- title: Look\n  query: sum(${ocr_failures[5m]})\n  range: [0, null]\n---\n# One\n"
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    importlib.reload(shipped)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "pages"
    found.mkdir()
    (found / "one.md").write_text(PAGE)
    (found / "two.md").write_text(PAGE.replace("One", "Two"))
    return found


def load(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[RunbookIndex, int]:
    """The index for another process, and how many pages it had to read."""
    shipped.save_parsed()
    importlib.reload(shipped)
    read: list[Path] = []

    def count(path: Path, *, root: Path) -> object:
        read.append(path)
        return read_page(path, root=root)

    with monkeypatch.context() as patched:
        patched.setattr(recalled_pages, "read_page", count)
        return RunbookIndex.load(folder), len(read)


def test_the_shipped_pages_are_those_of_their_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every field of every page, from the files and from the cache; actions, ranges and escalations included."""
    paths = sorted(SHIPPED.glob("*.md"))
    pages = [read_page(path, root=SHIPPED) for path in paths]
    first, read = load(SHIPPED, monkeypatch)
    again, unread = load(SHIPPED, monkeypatch)
    assert (read, unread) == (len(paths), 0)
    assert list(first.runbooks) == list(again.runbooks) == sorted(pages, key=lambda page: page.id)
    assert any(page.actions for page in again.runbooks) and any(page.escalate for page in again.runbooks)
    assert [repr(page) for page in again.runbooks] == [repr(page) for page in first.runbooks]


@pytest.mark.parametrize(
    "change", ["text", "same length and time", "new file", "gone", "renamed", "moved", "signals", "reader"]
)
def test_what_changed_is_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """No page of before a change is shown after it."""
    load(folder, monkeypatch)
    assert load(folder, monkeypatch)[1] == 0
    one, expected = folder / "one.md", {"one": "One", "two": "Two"}
    if change == "text":
        one.write_text(PAGE.replace("title: One", "title: Other"))
        expected["one"] = "Other"
    elif change == "same length and time":
        times = one.stat()
        one.write_text(PAGE.replace("title: One", "title: Oni"))
        os.utime(one, ns=(times.st_atime_ns, times.st_mtime_ns))
        expected["one"] = "Oni"
    elif change == "new file":
        (folder / "three.md").write_text(PAGE.replace("One", "Three"))
        expected["three"] = "Three"
    elif change == "gone":
        one.unlink()
        del expected["one"]
    elif change == "renamed":
        one.rename(folder / "first.md")
        expected["first"] = expected.pop("one")
    elif change == "moved":
        folder = folder.rename(folder.with_name("elsewhere"))
    elif change == "signals":
        monkeypatch.setattr(recalled_pages, "expansion_stamp", lambda: "other signals")
    else:
        monkeypatch.setattr(recalled_pages, "reader_stamp", lambda: "other code")
    index, read = load(folder, monkeypatch)
    assert {page.id: page.title for page in index.runbooks} == expected
    assert read == len(expected)
    assert {Path(page.path).parent for page in index.runbooks} == {folder}
    assert load(folder, monkeypatch)[1] == 0


def test_a_file_that_is_no_page_is_reported_each_time(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link out of the folder, a pipe, a directory, bytes and a large file are looked at each time, and none is followed,
    waited for or kept.
    """
    (tmp_path / "secret.md").write_text(PAGE.replace("One", "Secret"))
    (folder / "link.md").symlink_to(tmp_path / "secret.md")
    os.mkfifo(folder / "pipe.md")
    (folder / "folder.md").mkdir()
    (folder / "bytes.md").write_bytes(b"\xff\xfe\x00")
    (folder / "large.md").write_text("-" * (257 << 10))
    for _ in range(2):
        index, read = load(folder, monkeypatch)
        broken = {page.id: page.broken or "" for page in index.runbooks if page.broken}
        assert sorted(broken) == ["bytes", "folder", "large", "link", "pipe"]
        assert "outside the folder" in broken["link"] and "not a file" in broken["pipe"]
        assert read == 7


def test_what_another_release_kept_is_not_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values of another shape under the same key count as none."""
    monkeypatch.setattr(recalled_pages, "recall", lambda *_: [{"id": 1}])
    index, read = load(folder, monkeypatch)
    assert ([page.title for page in index.runbooks], read) == (["One", "Two"], 2)
