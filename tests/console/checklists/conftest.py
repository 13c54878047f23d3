"""Local times are those of one zone, whatever the machine's is."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _zone(utc: None) -> None:
    return
