"""Texts as files, for the person alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.text_files import write_export

NOW = 1_767_276_207.0


def test_a_text_is_a_file_for_the_person_alone(tmp_path: Path) -> None:
    """0600 in a folder of 0700, named after what it is, whatever that is called; twenty are kept."""
    path = write_export(str(tmp_path), "the labels of ../../Évil\x1b[31m", "a → b", now=NOW)
    assert path == tmp_path / "exports" / "the-labels-of-vil-31m-20260101T140327Z.txt"
    assert path.read_text() == "a → b\n"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    for at in range(30):
        last = write_export(str(tmp_path), "query", str(at), now=NOW + at)
    assert len(list(path.parent.iterdir())) == 20 and last.read_text() == "29\n"


def test_no_link_is_followed(tmp_path: Path) -> None:
    """A link that lies where the file would be is replaced, and what it points at is left alone."""
    other = tmp_path / "other"
    other.write_text("mine")
    (tmp_path / "exports").mkdir(mode=0o700)
    (tmp_path / "exports" / "query-20260101T140327Z.txt").symlink_to(other)
    write_export(str(tmp_path), "query", "up", now=NOW)
    assert other.read_text() == "mine"


def test_where_no_file_can_be_written_it_says_so(tmp_path: Path) -> None:
    """An OSError that names the file."""
    (tmp_path / "exports").write_text("in the way")
    with pytest.raises(OSError, match="exports"):
        write_export(str(tmp_path), "query", "up", now=NOW)
