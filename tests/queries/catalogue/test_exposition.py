"""What an exporter says is read as Prometheus reads it, or refused."""

from __future__ import annotations

import pytest

from queries.catalogue.exposition import parse_exposition
from queries.errors import InvalidResponse

TEXT = """\
# HELP ocr_errors_total Errors.
# TYPE ocr_errors_total counter
# TYPE never_total counter
# TYPE x_seconds histogram
x_seconds_bucket{provider="a\\"b",le="2.0"} 1
x_seconds_bucket{provider="a\\"b",le="+Inf"} 2
x_seconds_sum{provider="a\\"b"} 2.5
x_seconds_count{provider="a\\"b"} 2
plain 4
"""
OPEN = """\
# TYPE ocr_errors counter
ocr_errors_total{code="TIMEOUT"} 3 # {trace_id="x"} 1
ocr_errors_created{code="TIMEOUT"} 1
# EOF
"""


def test_types_and_series_are_kept() -> None:
    """A counter is named with `_total`, one without series is announced all the same, labels are unescaped."""
    found = parse_exposition(TEXT.encode(), where="here")
    assert found.types == {
        "ocr_errors_total": "counter",
        "never_total": "counter",
        "x_seconds": "histogram",
        "plain": "unknown",
    }
    assert set(found.series) == {"x_seconds_bucket", "x_seconds_sum", "x_seconds_count", "plain"}
    assert found.series["x_seconds_sum"][0].labels == (("provider", 'a"b'),)


def test_a_counter_keeps_the_name_that_the_page_has() -> None:
    """Prometheus stores `queue_drops` under that name; the library's parser would give `queue_drops_total`."""
    text = '# TYPE queue_drops counter\nqueue_drops{queue="a"} 3\nqueue_drops{queue="b"} 0\n# TYPE a_total counter\na_total 1\n'
    found = parse_exposition(text.encode(), where="here")
    assert found.types == {"queue_drops": "counter", "a_total": "counter"}
    assert {name: [sample.value for sample in series] for name, series in found.series.items()} == {
        "queue_drops": [3.0, 0.0],
        "a_total": [1.0],
    }


def test_openmetrics_is_read_too() -> None:
    """A body that ends with # EOF may hold exemplars."""
    found = parse_exposition(OPEN.encode(), where="here")
    assert found.types == {"ocr_errors_total": "counter"}
    assert found.series["ocr_errors_total"][0].value == 3.0


@pytest.mark.parametrize("body", [b"<html>", b'{"status":"ok"}', b"a{ 1", b"\xff\xfe", b"# TYPE a counter\na{} x\n"])
def test_what_is_no_exposition_is_refused(body: bytes) -> None:
    """A web page, JSON, half a line and other bytes are no metrics: never an empty set that looks like nothing exported."""
    with pytest.raises(InvalidResponse, match="not Prometheus' text format"):
        parse_exposition(body, where="here")
