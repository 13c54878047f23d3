"""The real servers behind the proxies, started once for the folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fault_proxy import ProxyHouse

from console.demo.bring import Servers
from console.demo.scenarios import scenario
from console.demo.stack import DemoStack


@pytest.fixture(scope="session")
def stack(servers: Servers) -> Iterator[DemoStack]:
    """Prometheus with the platform's rules and a week of history, Alertmanager, cluster and API; all is calm."""
    with DemoStack(scenario("calm"), servers) as running:
        yield running


@pytest.fixture(scope="session")
def house() -> Iterator[ProxyHouse]:
    with ProxyHouse() as opened:
        yield opened
