"""Series by error code: what means the same is one row or line."""

from __future__ import annotations

import math

from queries.catalogue.error_code_series import counts_codes, group_samples_by_code, group_series_by_code
from queries.model.series import Labels, Sample, Series


def coded(code: str, **more: str) -> Labels:
    return tuple(sorted({"code": code, **more}.items()))


def test_spellings_of_one_code_are_one_row() -> None:
    """Codes that map to the same of the nine are added up, the most frequent raw one first; one that is spelled as it should
    be has nothing beside it."""
    given = (
        *(Sample(coded("provider_down"), 1.0), Sample(coded("PARSE_FAILED"), 5.0), Sample(coded("PROVIDER_DOWN"), 3.0)),
        *(Sample(coded("NETWORK_ERROR"), 2.0), Sample(coded("TIMEOUT"), 4.0)),
    )
    assert group_samples_by_code(given) == (
        Sample(coded("NETWORK_ERROR (PROVIDER_DOWN, NETWORK_ERROR, provider_down)"), 6.0),
        Sample(coded("PARSE_FAILED"), 5.0),
        Sample(coded("PROVIDER_TIMEOUT (TIMEOUT)"), 4.0),
    )


def test_what_differs_otherwise_stays_apart() -> None:
    """Other labels keep rows apart; gaps are never added to each other, and what has no code is not touched."""
    given = (
        *(Sample(coded("TIMEOUT", provider="a"), 1.0), Sample(coded("TIMEOUT", provider="b"), 2.0)),
        *(Sample(coded("WEIRD"), 3.0), Sample(coded("ODD"), 4.0), Sample((("x", "1"),), 5.0), Sample((), 6.0)),
    )
    assert [(dict(item.labels), item.value) for item in group_samples_by_code(given)] == [
        ({"code": "PROVIDER_TIMEOUT (TIMEOUT)", "provider": "a"}, 1.0),
        ({"code": "PROVIDER_TIMEOUT (TIMEOUT)", "provider": "b"}, 2.0),
        ({"code": "none of the nine (WEIRD)"}, 3.0),
        ({"code": "none of the nine (ODD)"}, 4.0),
        ({"x": "1"}, 5.0),
        ({}, 6.0),
    ]


def test_no_number_takes_none_away() -> None:
    """NaN beside a number counts nothing; NaN alone stays one."""
    (added,) = group_samples_by_code((Sample(coded("TIMEOUT"), math.nan), Sample(coded("timeout"), 2.0)))
    (alone,) = group_samples_by_code((Sample(coded("TIMEOUT"), math.nan), Sample(coded("timeout"), math.nan)))
    assert added == Sample(coded("PROVIDER_TIMEOUT (timeout, TIMEOUT)"), 2.0)
    assert math.isnan(alone.value)


def test_lines_are_added_moment_by_moment() -> None:
    """A line that begins later or has a gap counts where it has points."""
    given = (Series(coded("TIMEOUT"), ((1.0, 1.0), (2.0, 1.0), (4.0, 1.0))), Series(coded("timeout"), ((2.0, 5.0), (3.0, 5.0))))
    (line,) = group_series_by_code(given)
    assert line.label("code") == "PROVIDER_TIMEOUT (timeout, TIMEOUT)"
    assert line.points == ((1.0, 1.0), (2.0, 6.0), (3.0, 5.0), (4.0, 1.0))


def test_a_status_of_an_answer_is_no_error_code() -> None:
    """Only queries about the metrics that count codes are meant."""
    assert counts_codes("sum by (code) (rate(ocr_errors_total[5m]))")
    assert not counts_codes("sum by (code) (rate(http_requests_total[5m]))")
