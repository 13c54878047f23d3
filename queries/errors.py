"""The tree of source errors; each carries a Fault that a person can act on.

SourceError
├── Unreachable     no connection, or the server is starting or stopping
├── TimedOut        nothing came in time, or the server gave up on the query
├── Denied          401, 403, 407, or a login page
├── Malformed       an answer of another shape than this API's
├── Rejected        the server understood and refuses this request
├── Throttled       429, or 503 with Retry-After
├── Stale           it answers from a cache only, which nothing confirms
└── NotConfigured   nobody said where this source is
"""

from __future__ import annotations

from queries.model.fault import Fault, FaultKind


class SourceError(Exception):
    """A source did not give what was asked of it; `fault` is the same as data."""

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


class Unreachable(SourceError):
    kind = FaultKind.UNREACHABLE


class TimedOut(SourceError):
    kind = FaultKind.TIMED_OUT


class AccessDenied(SourceError):
    kind = FaultKind.DENIED


class InvalidResponse(SourceError):
    kind = FaultKind.MALFORMED


class RequestRejected(SourceError):
    kind = FaultKind.REJECTED


class RateLimited(SourceError):
    kind = FaultKind.THROTTLED


class Stale(SourceError):
    kind = FaultKind.STALE


class NotConfigured(SourceError):
    kind = FaultKind.NOT_CONFIGURED
