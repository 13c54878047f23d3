"""The tree of source errors; each carries a Fault: what failed, where, and what to try.

SourceError
├── Unreachable      no connection, or the server is starting or stopping
├── TimedOut         no answer in time, or the server aborted the query
├── AccessDenied     401, 403, 407, or a login page
├── InvalidResponse  a response in another format than this API's
│   └── AnswerTooLarge   more bytes than are read of one
├── RequestRejected  the server understood the request and rejected it
├── RateLimited      429, or 503 with Retry-After or too many concurrent requests
├── PartialAnswer    the response lacks data from a part of the server's storage
├── Stale            the answer comes from an unconfirmed cache
├── NotConfigured    the source has no address
└── NotKnownThen     the moment asked about is past, and nothing keeps what this source said then
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from queries.model.fault import Fault, FaultKind


class SourceError(Exception):
    """A source failed to answer a request; `fault` is the error as data."""

    kind: FaultKind

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        hint: str = "",
        retry_after_seconds: float | None = None,
        status: int | None = None,
    ) -> None:
        self.fault = Fault(
            kind=self.kind, what=what, where=where, hint=hint, retry_after_seconds=retry_after_seconds, status=status
        )
        super().__init__(self.fault.sentence())

    def redact(self, redact: Callable[[str], str], *, where: str = "", hint: str = "") -> Self:
        """The same error with its texts redacted; `where` and `hint` replace its own."""
        fault = self.fault
        return type(self)(
            redact(fault.what),
            where=where or fault.where,
            hint=hint or redact(fault.hint),
            retry_after_seconds=fault.retry_after_seconds,
            status=fault.status,
        )


class Unreachable(SourceError):
    kind = FaultKind.UNREACHABLE


class TimedOut(SourceError):
    kind = FaultKind.TIMED_OUT


class AccessDenied(SourceError):
    kind = FaultKind.DENIED


class InvalidResponse(SourceError):
    kind = FaultKind.MALFORMED


class AnswerTooLarge(InvalidResponse):
    """A request for less may succeed."""


class RequestRejected(SourceError):
    kind = FaultKind.REJECTED


class RateLimited(SourceError):
    kind = FaultKind.THROTTLED


class PartialAnswer(SourceError):
    kind = FaultKind.PARTIAL


def partial_answer(missing: str, *, where: str = "") -> PartialAnswer:
    """`missing` is the server's message about what is missing from its response."""
    hint = "missing series may exist: restore the missing store, or try again"
    return PartialAnswer(f"partial response: {missing}", where=where, hint=hint)


class Stale(SourceError):
    kind = FaultKind.STALE


class NotConfigured(SourceError):
    kind = FaultKind.NOT_CONFIGURED


class NotKnownThen(SourceError):
    kind = FaultKind.NOT_KNOWN_THEN
