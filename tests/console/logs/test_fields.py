"""Lines with fields as a person reads them."""

from __future__ import annotations

import pytest

from console.logs.fields import format_fields, parse_logfmt


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


@pytest.mark.parametrize("value", ["10\u00a0000", "エラー\u3000発生", "a\u0085b", "\u2028"])
def test_only_a_blank_of_ascii_ends_a_value(value: str) -> None:
    """Go's logfmt writes these without quotes, and reads them back."""
    assert parse_logfmt(f'level=warn msg={value} code=7 err="a b"') == (
        ("level", "warn"), ("msg", value), ("code", "7"), ("err", "a b")
    )  # fmt: skip
