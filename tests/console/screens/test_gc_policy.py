"""Full collections run only while nobody is typing."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from console.screens.gc_policy import GcPolicy


@pytest.fixture
def settings() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)  # Python's default: a console in another test may have changed it
    yield
    gc.set_threshold(*before)
    gc.enable()
    gc.unfreeze()


class Knot:
    """Refers to itself, so that only the garbage collector frees it."""

    def __init__(self) -> None:
        self.self = self


@pytest.mark.usefixtures("settings")
def test_a_full_collection_runs_only_while_idle() -> None:
    """A full collection runs after five minutes, not while keys are pressed, and never on its own."""
    collector = GcPolicy()
    collector.collect_if_idle(1e6, last_key_at=0.0)
    assert gc.get_threshold()[2] < 1_000_000, "untouched before it begins"
    collector.start(0.0)
    passes: list[int] = []
    watch = lambda phase, info: passes.append(info["generation"])  # noqa: E731
    gc.callbacks.append(watch)
    try:
        kept = [[number] for number in range(300_000)]
        assert 2 not in passes, "not by itself, however much is made"
        collector.collect_if_idle(100.0, last_key_at=0.0)
        collector.collect_if_idle(301.0, last_key_at=295.0)
        assert 2 not in passes, "not early, and not while somebody types"
        Knot()
        collector.collect_if_idle(322.0, last_key_at=295.0)
        assert 2 in passes
        passes.clear()
        collector.collect_if_idle(330.0, last_key_at=295.0)
        assert 2 not in passes, "once"
    finally:
        gc.callbacks.remove(watch)
    assert len(kept) == 300_000
