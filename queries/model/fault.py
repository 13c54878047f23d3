"""Why a source could not answer, in words that a person can act on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """What went wrong, as far as a client can tell it apart."""

    UNREACHABLE = "unreachable"
    """No connection: refused, name not found, TLS failure, or the server says it is starting or stopping."""
    TIMED_OUT = "timed out"
    DENIED = "denied"
    """401, 403, 407 or a login page: the server is there, but not for us."""
    MALFORMED = "malformed"
    """An answer came that is not what this API speaks: HTML, truncated or of another shape."""
    REJECTED = "rejected"
    """The server understood and refuses this very request: bad PromQL, too many samples, a failed precondition."""
    THROTTLED = "throttled"
    """429, or 503 with Retry-After."""
    STALE = "from a cache"
    """It answers, but only with what it remembers: nothing says that this is still so."""
    NOT_CONFIGURED = "not configured"


@dataclass(frozen=True, slots=True)
class Fault:
    """One failure as data: what failed, where, and what to try.

    `what` and `hint` are sentences without secrets; `where` is a URL without user information or query.
    `retry_after_seconds` is what the server asked for, None where it asked for nothing.
    `status` is the HTTP status, None where no answer came.
    """

    kind: FaultKind
    what: str
    where: str = ""
    hint: str = ""
    retry_after_seconds: float | None = None
    status: int | None = None

    def sentence(self) -> str:
        """The whole fault on one line: what, where and what to try."""
        parts = [self.what]
        if self.where:
            parts.append(f"at {self.where}")
        text = " ".join(parts)
        return f"{text}: {self.hint}" if self.hint else text
