"""Fixtures that every test folder may use."""

from __future__ import annotations

import pytest
from servers import servers as bring_servers

from console.demo.bring import Servers


@pytest.fixture(scope="session")
def servers() -> Servers:
    """The real programs, brought once where this machine has none."""
    return bring_servers()
