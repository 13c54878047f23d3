"""The variables of a dashboard for which the server has no value: the query of each is run once, and the later ones know it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from queries.errors import RequestRejected, Unreachable
from queries.grafana.dashboard_values import VariableValues
from queries.grafana.model import GrafanaQueries, read_dashboard
from queries.model.series import Sample


def board(**queries: str) -> GrafanaQueries:
    """A dashboard with these variables, in their order."""
    listed = [{"type": "query", "name": name, "query": query} for name, query in queries.items()]
    return read_dashboard({"title": "x", "panels": [], "templating": {"list": listed}})


class Server:
    """Samples by the text of the query; any other query is refused."""

    def __init__(self, **series: list[dict[str, str]]) -> None:
        self.series = series
        self.asked: list[str] = []
        self.failure: Exception | None = None

    async def query(self, text: str) -> Any:
        self.asked.append(text)
        if self.failure is not None:
            raise self.failure
        for name, found in self.series.items():
            if text == name or f"({name}" in text:
                return SimpleNamespace(samples=tuple(Sample(tuple(sorted(labels.items())), 1.0) for labels in found))
        raise RequestRejected("parse error")


def values(server: Server, *, labels: tuple[str, ...] = (), metrics: tuple[str, ...] = ()) -> VariableValues:
    own: Any = server
    return VariableValues(own, has_label=labels.__contains__, has_metrics=metrics.__contains__)


@pytest.mark.parametrize(
    ("series", "empty"),
    [
        ([{"job": "a"}], {}),
        ([{"job": "a"}, {}], {}),
        ([{}, {"job": ""}], {"job": True}),
        ([], {"job": False}),
    ],
)
async def test_a_label_has_a_value_if_any_series_has_it(series: list[dict[str, str]], empty: dict[str, bool]) -> None:
    """Where the series exist without the label it is the label that is missing; without series nothing is known of it."""
    assert await values(Server(up=series)).find_empty(board(job="label_values(up, job)")) == empty


async def test_a_label_alone_and_names_of_metrics_ask_no_query() -> None:
    """What the server has of both is known already; of two each for itself."""
    server = Server()
    found = values(server, labels=("job",), metrics=("cad_.*",))
    asked = board(a="label_values(job)", b="label_values(zone)", c="metrics(cad_.*)", d="metrics(other_.*)")
    assert await found.find_empty(asked) == {"b": True, "d": False}
    assert server.asked == []


async def test_two_dashboards_with_one_query_ask_once() -> None:
    """An empty answer is kept as well as a full one."""
    server = Server(up=[{"job": "a"}], down=[])
    found = values(server)
    for _ in range(2):
        assert await found.find_empty(board(job="label_values(up, job)", gone="label_values(down, job)")) == {"gone": False}
    assert len(server.asked) == 2


async def test_a_refused_query_is_empty_only_because_of_an_empty_variable() -> None:
    """Else the query is wrong, which is another finding; a server that fails is no finding at all."""
    server = Server(up=[])
    assert await values(server).find_empty(board(x="label_values(wrong, job)")) == {}
    asked = board(job="label_values(up, job)", then='label_values(wrong{job="$job"}, pod)')
    assert await values(server).find_empty(asked) == {"job": False, "then": False}
    server.failure = Unreachable("no connection")
    with pytest.raises(Unreachable):
        await values(server).find_empty(board(job="label_values(up, job)"))
