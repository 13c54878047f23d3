"""Texts as files, for the person alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.text_files import read_state, write_export, write_state

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


def test_a_kept_file_is_replaced_in_one_step_and_no_link_is_followed(tmp_path: Path) -> None:
    """0600; a link in its place is replaced; nothing is left beside it; a missing one is empty."""
    other = tmp_path / "other"
    other.write_text("mine")
    state = tmp_path / "new" / "state"
    assert read_state(str(state), "charts.json") == ""
    write_state(str(state), "charts.json", "1")
    (state / "charts.json").unlink()
    (state / "charts.json").symlink_to(other)
    write_state(str(state), "charts.json", "2")
    assert (read_state(str(state), "charts.json"), other.read_text()) == ("2", "mine")
    assert [(path.name, path.stat().st_mode & 0o777) for path in state.iterdir()] == [("charts.json", 0o600)]


def test_a_folder_that_everybody_can_write_keeps_nothing(tmp_path: Path) -> None:
    """Another user could have written the file: neither read nor replaced."""
    tmp_path.chmod(0o777)
    with pytest.raises(PermissionError, match="writable by everybody"):
        read_state(str(tmp_path), "charts.json")
    with pytest.raises(PermissionError, match="writable by everybody"):
        write_state(str(tmp_path), "charts.json", "1")
    tmp_path.chmod(0o700)
