"""The freezes of an environment: read from the file, and whether a moment is in one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from console.config.errors import ConfigError
from console.config.freeze import Freeze
from console.config.load import load_settings
from queries.text.times import use_zone

BERLIN = ZoneInfo("Europe/Berlin")


def moment(*parts: int) -> float:
    return datetime(*parts, tzinfo=BERLIN).timestamp()  # type: ignore[misc]


@pytest.fixture
def in_berlin() -> Iterator[None]:
    use_zone("Europe/Berlin")
    yield
    use_zone("")


@pytest.mark.usefixtures("in_berlin")
@pytest.mark.parametrize(
    ("start", "end", "now", "until"),
    [
        ("fri 16:00", "mon 08:00", (2026, 11, 27, 15, 59), None),
        ("fri 16:00", "mon 08:00", (2026, 11, 27, 16, 0), (2026, 11, 30, 8, 0)),
        ("fri 16:00", "mon 08:00", (2026, 11, 30, 7, 59), (2026, 11, 30, 8, 0)),
        ("fri 16:00", "mon 08:00", (2026, 11, 30, 8, 0), None),
        ("Tuesday 09:00", "tue 10:00", (2026, 12, 1, 9, 30), (2026, 12, 1, 10, 0)),
        ("fri 16:00", "mon 08:00", (2026, 3, 27, 17, 0), (2026, 3, 30, 8, 0)),  # the clocks change on that Sunday
        ("2026-12-20 18:00", "2027-01-04", (2026, 12, 20, 17, 59), None),
        ("2026-12-20 18:00", "2027-01-04", (2026, 12, 20, 18, 0), (2027, 1, 4, 0, 0)),
        ("2026-12-20 18:00", "2027-01-04", (2027, 1, 4, 0, 0), None),
        ("2026-12-20T17:00:00+00:00", "2027-01-04", (2026, 12, 20, 18, 0), (2027, 1, 4, 0, 0)),
    ],
)
def test_a_moment_is_in_a_freeze_or_not(start: str, end: str, now: tuple[int, ...], until: tuple[int, ...] | None) -> None:
    """Every week or once, in local time, the end not included; over a weekend in which the clocks change too."""
    assert Freeze(start, end, "x").ends_at(moment(*now)) == (None if until is None else moment(*until))


def load(tmp_path: Path, text: str) -> tuple[Freeze, ...]:
    file = tmp_path / "config.yaml"
    file.write_text(f"environments:\n  prod:\n    freeze:\n{text}")
    return load_settings({"config": str(file), "environment": "prod"}, {}).freezes


def test_freezes_are_read_in_both_forms(tmp_path: Path) -> None:
    """Dates need no quotes, although YAML reads them as dates."""
    found = load(
        tmp_path,
        "      - {from: fri 16:00, to: mon 08:00, reason: nobody is there, warn_only: true}\n"
        "      - {from: 2026-12-20, to: 2027-01-04 06:00:00, reason: closing}\n",
    )
    assert found == (
        Freeze("fri 16:00", "mon 08:00", "nobody is there", refuses=False),
        Freeze("2026-12-20", "2027-01-04 06:00:00", "closing"),
    )


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ("{from: fri 16:00, to: 2026-12-20, reason: x}", "two days of the week or two dates"),
        ("{from: 2026-12-20, to: 2026-12-19, reason: x}", "an end after the start"),
        ("{from: fri 16:00, to: fri 16:00, reason: x}", "an end after the start"),
        ("{from: soon, to: later, reason: x}", "a day and time like"),
        ("{from: 5, to: 6, reason: x}", "a day and time like"),
        ("{from: fri 16:00, to: mon 08:00}", "reason"),
    ],
)
def test_what_is_no_freeze_is_refused(tmp_path: Path, item: str, why: str) -> None:
    """The error names the place and what is expected."""
    with pytest.raises(ConfigError, match=why):
        load(tmp_path, f"      - {item}\n")
