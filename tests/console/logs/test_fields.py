"""Lines with fields as a person reads them."""

from __future__ import annotations

import pytest

from console.logs.fields import format_fields


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (
            '{"time":"2026-11-29T03:12:00Z","level":"info","msg":"answered","status":200,"took":0.3}',
            "answered  status=200 took=0.3",
        ),
        ('{"event":"done","nested":{"a":[1,null]},"text":"a b"}', 'done  nested={"a":[1,null]} text=a b'),
        ('ts=2026-11-29T03:12:00Z level=warn msg="slow query" took=8.1s', "slow query  took=8.1s"),
        ('{"a":1}', "a=1"),
        ("{}", "{}"),
        ('{"a":1', '{"a":1'),
        ("[1,2]", "[1,2]"),
        ("INFO served user=7 in time", "INFO served user=7 in time"),
        ("", ""),
        ("{" * 5000, "{" * 5000),
    ],
)
def test_message_first_then_fields(line: str, shown: str) -> None:
    """Time and level stand beside the line; a line that is neither JSON nor logfmt stays as it is."""
    assert format_fields(line) == shown
