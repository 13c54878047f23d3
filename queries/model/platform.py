"""What the platform says of itself at `/health`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PlatformHealth:
    """`status` and `services` in the platform's own words; error rates are 0..1; circuits map a key to its state word."""

    status: str
    services: tuple[tuple[str, str], ...] = ()
    error_rates: tuple[tuple[str, float], ...] = ()
    circuits: tuple[tuple[str, str], ...] = ()
