"""The real servers behind the proxies, started once for the folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fault_proxy import ProxyHouse

from console.demo.stack import DemoStack


@pytest.fixture(scope="session")
def stack(calm_stack: DemoStack) -> DemoStack:
    return calm_stack


@pytest.fixture(scope="session")
def house() -> Iterator[ProxyHouse]:
    with ProxyHouse() as opened:
        yield opened
