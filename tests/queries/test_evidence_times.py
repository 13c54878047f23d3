"""When the evidence for definitions of signals is due, exactly at its times, and how long a series counts as seen."""

from __future__ import annotations

import pytest

from queries.model.series import Sample
from queries.prometheus.evidence import (
    EVERY_SECONDS,
    HELP_EVERY_SECONDS,
    REMEMBERED_SECONDS,
    UNDECIDED_SECONDS,
    Decisions,
)

START = 10_000.0
OCR, SUCCESS, ERROR = (
    Sample((("__name__", "ocr_requests_total"), *([("status", status)] if status else [])), 1.0)
    for status in ("start", "success", "error")
)


def decided(*samples: Sample) -> Decisions:
    made = Decisions()
    assert made.evidence_query(START) is not None
    made.ingest(samples, START)
    return made


@pytest.mark.parametrize(
    ("after", "due"), [(0.0, False), (EVERY_SECONDS - 0.1, False), (EVERY_SECONDS, True), (-0.1, True), (-EVERY_SECONDS, True)]
)
def test_what_is_decided_is_asked_again(after: float, due: bool) -> None:
    """Five minutes later; and at once where the clock was set back, because the next time would be too far."""
    assert (decided(OCR, SUCCESS).evidence_query(START + after) is not None) is due


@pytest.mark.parametrize(("after", "due"), [(UNDECIDED_SECONDS - 0.1, False), (UNDECIDED_SECONDS, True)])
def test_what_is_not_decided_is_asked_soon(after: float, due: bool) -> None:
    """Without any series, and after a partial answer."""
    nothing = decided()
    assert (nothing.evidence_query(START + after) is not None) is due
    partial = decided(OCR)
    partial.retry_evidence(START)
    assert (partial.evidence_query(START + after) is not None) is due


@pytest.mark.parametrize(
    ("after", "due"), [(0.0, False), (HELP_EVERY_SECONDS - 0.1, False), (HELP_EVERY_SECONDS, True), (-0.1, True)]
)
def test_help_texts_are_asked_hourly(after: float, due: bool) -> None:
    """An hour after the last time, or at once where the clock was set back."""
    made = Decisions()
    assert made.metrics_without_help(START)
    assert bool(made.metrics_without_help(START + after)) is due


@pytest.mark.parametrize(("after", "due"), [(EVERY_SECONDS - 0.1, False), (EVERY_SECONDS, True)])
def test_help_texts_that_nobody_had_are_asked_soon(after: float, due: bool) -> None:
    """In five minutes, not in an hour."""
    made = Decisions()
    made.metrics_without_help(START)
    made.retry_help(START)
    assert bool(made.metrics_without_help(START + after)) is due


@pytest.mark.parametrize(("after", "kept"), [(REMEMBERED_SECONDS - 1.0, True), (REMEMBERED_SECONDS, False)])
def test_a_status_that_was_seen_counts_for_a_day(after: float, kept: bool) -> None:
    """A provider without a failure for a while has not stopped to count them; after a day it may have."""
    made = decided(OCR, SUCCESS, ERROR)
    first = made.choice.definitions["ocr_failures"].id
    made.ingest([OCR, SUCCESS], START + after)
    assert (made.choice.definitions["ocr_failures"].id == first) is kept


def test_the_question_names_every_metric_and_label() -> None:
    """One query for all, by name and by the labels that decide."""
    query = Decisions().evidence_query(0.0)
    assert query is not None and query.query.startswith("group by (__name__, ") and "status" in query.query
    assert "ocr_requests_total" in query.query and "ocr_circuit_state" in query.query
