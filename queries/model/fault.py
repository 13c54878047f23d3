"""Why a source did not answer, as data: what failed, where, and what to try."""

from __future__ import annotations

from enum import StrEnum

from queries.model.frozen import dataclass


class FaultKind(StrEnum):
    """The kinds of failure that a client can distinguish."""

    UNREACHABLE = "unreachable"
    """No connection: refused, name not found, TLS failure, or the server says it is starting or stopping."""
    TIMED_OUT = "timed out"
    DENIED = "denied"
    """401, 403, 407 or a login page: the server is up but refuses the credentials."""
    MALFORMED = "malformed"
    """The response does not belong to this API: HTML, truncated or of another shape."""
    REJECTED = "rejected"
    """The server understood the request and refused it: bad PromQL, too many samples, a failed precondition."""
    THROTTLED = "throttled"
    """429, or 503 with Retry-After or too many concurrent requests."""
    PARTIAL = "partial"
    """It responded from only part of its storage: missing series may exist."""
    STALE = "from a cache"
    """It answers from a cache only; nothing confirms that the content is still current."""
    NOT_CONFIGURED = "not configured"
    NOT_KNOWN_THEN = "not known then"
    """The moment looked at is past, and nothing keeps what this source said then."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One failure: what failed, where, and what to try.

    `what` and `hint` are sentences without secrets; `where` is a URL without user information or query.
    `retry_after_seconds` is the wait that the server requested, None if it requested none.
    `status` is the HTTP status, None without a response.
    """

    kind: FaultKind
    what: str
    where: str = ""
    hint: str = ""
    retry_after_seconds: float | None = None
    status: int | None = None

    def sentence(self) -> str:
        """The whole fault on one line."""
        parts = [self.what]
        if self.where:
            parts.append(f"at {self.where}")
        text = " ".join(parts)
        return f"{text}: {self.hint}" if self.hint else text


def was_never_sent(fault: Fault) -> bool:
    """No connection was established, so the server cannot have seen the write; clients report a lost one as a timeout."""
    return fault.kind is FaultKind.NOT_CONFIGURED or (fault.kind is FaultKind.UNREACHABLE and fault.status is None)


def is_rejected(fault: Fault) -> bool:
    """The server answered that it did not apply the write: with a 4xx, or because an admission webhook did not answer."""
    if fault.status is None or fault.status == 408:
        return False
    return 400 <= fault.status < 500 or fault.kind is FaultKind.REJECTED


def is_absent(fault: Fault) -> bool:
    """The API server answered that there is no such object; where it does not serve the kind, it words that otherwise."""
    return fault.kind is FaultKind.REJECTED and fault.status == 404 and fault.what.endswith(" not found")


def describe_rejection(fault: Fault) -> str:
    """The server's reason with its status; a conflict is named as one."""
    if fault.status == 409:
        return f"conflict: modified since the preview (409); review again ({fault.sentence()})"
    return f"{fault.sentence()} ({fault.status})"
