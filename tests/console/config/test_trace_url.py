"""Where a trace is shown: an address with a place for its id."""

from __future__ import annotations

import pytest

from console.config.text_formats import is_trace_url


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        ("https://tempo.example.com/trace/{trace_id}", True),
        ("http://grafana/explore?query={trace_id}&orgId=1", True),
        ("https://tempo.example.com/trace/", False),
        ("https://{trace_id}.example.com/", False),
        ("javascript:alert({trace_id})", False),
        ("tempo/{trace_id}", False),
        (None, False),
    ],
)
def test_an_address_with_a_place_for_the_trace(value: object, valid: bool) -> None:
    """Not in the host: a log line must not choose whom a link leads to."""
    assert is_trace_url(value) is valid
