"""Importing the screens ahead of the first key, beside the first values."""

from __future__ import annotations

import threading
import time

import pytest

from console.screens import registry
from queries.concurrency import CPU_LOCK


def test_who_waits_to_compute_is_served_between_two_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first values need the lock that each import holds: they wait for the import that runs, not for all that follow."""
    imported: list[str] = []

    def take_a_while(module: str) -> None:
        until = time.perf_counter() + 0.02
        while time.perf_counter() < until:
            pass  # as an import it computes and keeps the interpreter
        imported.append(module)

    monkeypatch.setattr(registry, "import_module", take_a_while)
    thread = threading.Thread(target=registry.preload)
    thread.start()
    while not imported:
        time.sleep(0.001)
    with CPU_LOCK:
        served_after = len(imported)
    thread.join()
    assert served_after <= 3 < len(imported)
