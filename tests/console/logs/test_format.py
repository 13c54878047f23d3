"""Lines as text, as JSON and in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.logs.format import format_line, line_object, save_log
from console.logs.merged_log import MergedLog
from queries.model.log import LogLine

AT = 1_796_054_830_123_456_789
HOSTILE = "ERROR \x1b[31mred\x1b]52;c;aGk=\x07 \u202eevil\r [bold]x[/bold]"


def test_a_line_is_text_whatever_it_contains() -> None:
    """Escape codes and bidi controls are written out in text; JSON keeps them, escaped. A cut line has its size."""
    line = LogLine(AT, 0, "pod", HOSTILE, 9000)
    shown = r"ERROR \e[31mred\e]52;c;aGk=\x07 \u202eevil\r [bold]x[/bold]… (cut: the line has 9,000 bytes)"
    assert format_line(line) == f"2026-11-30T16:07:10.123456789Z pod {shown}"
    assert line_object(line) == {
        "time": "2026-11-30T16:07:10.123456789Z", "source": "pod", "level": "error", "text": HOSTILE, "size_bytes": 9000,
    }  # fmt: skip
    notice = LogLine(AT, 1, "", "pod a ended, replaced by b", 0, True)
    assert format_line(notice) == "# 2026-11-30T16:07:10.123456789Z pod a ended, replaced by b"
    assert line_object(notice) == {"time": "2026-11-30T16:07:10.123456789Z", "notice": "pod a ended, replaced by b"}


def test_a_log_is_saved_for_its_owner_alone(tmp_path: Path) -> None:
    """All lines in view, 0600, with the count of what was dropped; nothing half written is left behind."""
    log = MergedLog(max_lines=5_000)
    log.deliver("pod", [(at, f"line {at}", 0) for at in range(6_000)])
    log.merge_pending()
    file = tmp_path / "pod.log"
    assert save_log(log, "pod/x", str(file)) == 5_000
    head, *lines = file.read_text().splitlines()
    assert head == "# pod/x: 5,000 lines; 1,000 older ones were dropped before"
    assert [line.rpartition(" ")[2] for line in lines] == [str(at) for at in range(1_000, 6_000)]
    assert file.stat().st_mode & 0o777 == 0o600 and list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("link", [False, True])
def test_no_file_is_replaced_without_a_word(tmp_path: Path, link: bool) -> None:
    """Also not through a link; a replaced link leaves alone what it points at."""
    other, file = tmp_path / "other", tmp_path / "pod.log"
    other.write_text("mine")
    file.symlink_to(other) if link else file.write_text("mine")
    with pytest.raises(FileExistsError):
        save_log(MergedLog(), "x", str(file))
    assert file.read_text() == "mine"
    save_log(MergedLog(), "x", str(file), replace=True)
    assert file.read_text() == "# x: 0 lines\n" and other.read_text() == "mine" and not file.is_symlink()
