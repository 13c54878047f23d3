"""A fault in one sentence, and what is known of a write that ended with one."""

from __future__ import annotations

import pytest

from queries.model.fault import Fault, FaultKind, describe_rejection, is_rejected, was_never_sent


@pytest.mark.parametrize(
    ("where", "hint", "sentence"),
    [
        ("", "", "no connection"),
        ("http://a", "", "no connection at http://a"),
        ("", "try again", "no connection: try again"),
        ("http://a", "try again", "no connection at http://a: try again"),
    ],
)
def test_a_sentence(where: str, hint: str, sentence: str) -> None:
    """What failed, where, and what to try; empty parts leave nothing behind."""
    assert Fault(FaultKind.UNREACHABLE, "no connection", where, hint).sentence() == sentence


def fault(kind: FaultKind, status: int | None = None) -> Fault:
    return Fault(kind, "refused", "http://a", status=status)


@pytest.mark.parametrize(
    ("kind", "status", "never"),
    [
        (FaultKind.NOT_CONFIGURED, None, True),
        (FaultKind.UNREACHABLE, None, True),
        (FaultKind.UNREACHABLE, 503, False),
        (FaultKind.TIMED_OUT, None, False),
        (FaultKind.MALFORMED, None, False),
    ],
)
def test_a_write_that_never_left(kind: FaultKind, status: int | None, never: bool) -> None:
    """Only without a connection is it certain that nothing changed."""
    assert was_never_sent(fault(kind, status)) is never


@pytest.mark.parametrize(
    ("kind", "status", "rejected"),
    [
        (FaultKind.REJECTED, None, False),
        (FaultKind.TIMED_OUT, 408, False),
        (FaultKind.REJECTED, 408, False),
        (FaultKind.MALFORMED, 399, False),
        (FaultKind.MALFORMED, 400, True),
        (FaultKind.THROTTLED, 429, True),
        (FaultKind.DENIED, 499, True),
        (FaultKind.UNREACHABLE, 500, False),
        (FaultKind.REJECTED, 500, True),
    ],
)
def test_a_write_that_was_not_applied(kind: FaultKind, status: int | None, rejected: bool) -> None:
    """Every 4xx but 408, after which the server may still go on, and a rejection with any status."""
    assert is_rejected(fault(kind, status)) is rejected


def test_a_rejection_with_its_status() -> None:
    """A conflict says that somebody else was faster."""
    assert describe_rejection(fault(FaultKind.REJECTED, 403)) == "refused at http://a (403)"
    assert describe_rejection(fault(FaultKind.REJECTED, 409)) == (
        "conflict: modified since the preview (409); review again (refused at http://a)"
    )
