"""The contract suite's targets: each is started once, and every case gets a namespace of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cluster_fixture import Namespace, Target, names, open_target


@pytest.fixture(
    scope="session",
    params=[name if name == "in-process" else pytest.param(name, marks=pytest.mark.control_plane) for name in names()],
)
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    with open_target(request.param) as opened:
        yield opened


@pytest.fixture
def ns(target: Target) -> Iterator[Namespace]:
    with target.namespace() as opened:
        yield opened
