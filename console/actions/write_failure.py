"""What a write's failure says of whether it happened: certainly not, refused, or not known."""

from __future__ import annotations

from queries.model.fault import Fault, FaultKind


def never_left(fault: Fault) -> bool:
    """No connection came about, so that the server cannot have seen it; clients report a lost one as a time-out."""
    return fault.kind is FaultKind.NOT_CONFIGURED or (fault.kind is FaultKind.UNREACHABLE and fault.status is None)


def refused(fault: Fault) -> bool:
    return fault.status is not None and 400 <= fault.status < 500 and fault.status != 408


def reason(fault: Fault) -> str:
    if fault.status == 409:
        return f"it changed between the look and the write (409); look again ({fault.sentence()})"
    return f"{fault.sentence()} ({fault.status})"
