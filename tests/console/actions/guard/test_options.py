"""A guard as a person asks for it: durations, signals and a twin, each limit on its line."""

from __future__ import annotations

import pytest

from console.actions.guard.model import GuardOptions, default_guard, parse_guard, split_signals


@pytest.mark.parametrize(
    ("duration", "given", "found"),
    [
        ("off", {"signals": "a", "hold": "x"}, None),
        ("10m", {}, GuardOptions(600.0)),
        ("1s", {}, GuardOptions(1.0)),
        ("24h", {}, GuardOptions(86_400.0)),
        ("10m", {"signals": "a, b,,a", "twin": "deployment/web"}, GuardOptions(600.0, ("a", "b"), twin="web")),
        ("10m", {"signals": " , ", "twin": "web"}, GuardOptions(600.0, twin="web")),
        ("10m", {"hold": "1s", "countdown": "0s"}, GuardOptions(600.0, hold_seconds=1.0, countdown_seconds=0.0)),
        ("10m", {"hold": "24h", "countdown": "24h"}, GuardOptions(600.0, hold_seconds=86_400.0, countdown_seconds=86_400.0)),
    ],
)
def test_a_guard_as_a_person_writes_it(duration: str, given: dict[str, str], found: GuardOptions | None) -> None:
    """What is not given is as usual; each signal counts once, in its order; `off` is none, whatever else is said."""
    assert parse_guard(duration, **given) == found


@pytest.mark.parametrize(
    ("duration", "given"),
    [
        ("999ms", {}), ("24h1s", {}), ("soon", {}), ("", {}), ("10m", {"hold": "999ms"}), ("10m", {"hold": "24h1s"}),
        ("10m", {"countdown": "24h1s"}), ("10m", {"countdown": "x"}),
    ],
)  # fmt: skip
def test_a_duration_that_cannot_be_meant_is_refused(duration: str, given: dict[str, str]) -> None:
    """From a second to a day; only a countdown may be none."""
    with pytest.raises(ValueError, match=r"."):
        parse_guard(duration, **given)


def test_only_an_image_in_a_protected_environment_is_guarded_unasked() -> None:
    assert default_guard("image", protected=True) == GuardOptions(600.0, ("error_ratio", "p95_latency"))
    assert default_guard("image", protected=False) is default_guard("scale", protected=True) is None
    assert split_signals("") == ()
