"""What the runner checks before any action: whose alert it was, which cluster it would reach, and who would revert it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from action_bench import settings_for

from console.actions.plan import CheckLevel, ClusterTarget, Plan, Reconciler, Request
from console.actions.preflight import changes_cluster, check_alert_place, check_console, check_identity, check_reconcilers
from console.actions.registry import action_named
from console.config.services import Token
from console.config.settings import Settings
from queries.errors import Unreachable
from queries.http.endpoint import ClusterEndpoint, ClusterIdentity, ClusterPlace
from queries.model.alert import Alert, AlertState

HERE = "cad-ml-platform"
TARGET = "deployment/cad-ml-api"


def alert(fingerprint: str, name: str = "HighErrorRate", **labels: str) -> Alert:
    return Alert(fingerprint, AlertState.ACTIVE, tuple(sorted({"alertname": name, **labels}.items())))


class Reader:
    """The alerts that the servers list, and the pods of this namespace."""

    def __init__(self, *alerts: Alert, pods: Collection[str] = (), broken: bool = False) -> None:
        self.listed, self.pods, self.broken = alerts, pods, broken

    async def alerts(self) -> tuple[Alert, ...]:
        if self.broken:
            raise Unreachable("no connection")
        return self.listed

    async def alert(self, fingerprint: str) -> Alert | None:
        return next((item for item in await self.alerts() if item.fingerprint == fingerprint), None)

    async def has_pod(self, name: str) -> bool:
        return name in self.pods


async def place(folder: Path, reader: Reader, **given: Any) -> tuple[CheckLevel, str, str] | None:
    """The level, the text and the word to type of the check; None where there is none."""
    own: Any = reader
    found = await check_alert_place(Request("restart", TARGET, **given), settings_for(folder, None), own)
    assert len(found) <= 1
    return next(((item.level, item.text, item.word) for item in found), None)


async def test_without_an_alert_nothing_is_asked(tmp_path: Path) -> None:
    """No alert behind the request, one that nobody lists by its name, or a cause that is none: there is nothing to compare."""
    reader = Reader(alert("a", namespace="payments"))
    for given in ({}, {"cause": "drill"}, {"cause": "alert "}, {"cause": "alert Other"}, {"cause": "drill HighErrorRate"}):
        assert await place(tmp_path, reader, **given) is None, given
    assert await place(tmp_path, Reader(), cause="alert HighErrorRate") is None


async def test_the_alert_of_the_fingerprint_decides_alone(tmp_path: Path) -> None:
    """Whatever its namesakes are about; one that no server lists may be about any place, so the target has to be typed."""
    reader = Reader(alert("a", namespace=HERE), alert("b", namespace="payments"))
    here = (CheckLevel.OK, "no label of the alert points elsewhere", "")
    assert await place(tmp_path, reader, fingerprint="a") == here
    assert await place(tmp_path, reader, fingerprint="a", cause="alert HighErrorRate") == here
    found = await place(tmp_path, reader, fingerprint="b", cause="alert HighErrorRate")
    assert found is not None and found[0] is CheckLevel.BLOCK and "its label namespace says payments" in found[1]
    text = "no server lists the alert c, so its place is unknown: type cad-ml-api if it is about this one"
    assert await place(tmp_path, reader, fingerprint="c") == (CheckLevel.ASK, text, "cad-ml-api")


@pytest.mark.parametrize(
    ("places", "level", "text"),
    [
        ((HERE,), CheckLevel.OK, "no label of the alert points elsewhere"),
        ((HERE, HERE), CheckLevel.OK, "no label of the alert points elsewhere"),
        ((HERE, "a"), CheckLevel.WARN, "1 of 2 alerts named HighErrorRate is about another place: its label namespace says a"),
        (("a", HERE, "b"), CheckLevel.WARN, "2 of 3 alerts named HighErrorRate are about another place: its label namespace"),
        (("a",), CheckLevel.BLOCK, "the alert is about another place: its label namespace says a"),
        (("a", "b"), CheckLevel.BLOCK, "the alert is about another place: its label namespace says a"),
    ],
)
async def test_of_several_namesakes_each_counts(tmp_path: Path, places: tuple[str, ...], level: CheckLevel, text: str) -> None:
    """All elsewhere block, some warn; an alert of another name does not count."""
    listed = [alert(str(at), namespace=namespace) for at, namespace in enumerate(places)]
    reader = Reader(alert("x", "Other", namespace="elsewhere"), *listed)
    found = await place(tmp_path, reader, cause="alert HighErrorRate")
    assert found is not None and found[0] is level and found[1].startswith(text)


async def test_a_pod_tells_the_place_of_an_alert_without_a_namespace(tmp_path: Path) -> None:
    """It is asked for only then: one of this namespace is here, another one is not, whatever pods there are."""
    reader = Reader(alert("a", pod="api-1"), alert("b", pod="web-1"), alert("c", pod="web-1", namespace=HERE), pods=("api-1",))
    found = {fingerprint: await place(tmp_path, reader, fingerprint=fingerprint) for fingerprint in "abc"}
    assert [item and item[0] for item in found.values()] == [CheckLevel.OK, CheckLevel.BLOCK, CheckLevel.OK]
    away = found["b"]
    assert away is not None and f"its pod web-1 is not one of {HERE}" in away[1]


async def test_a_place_that_cannot_be_checked_is_not_taken_for_this_one(tmp_path: Path) -> None:
    """The reason is said, and the target's name has to be typed."""
    for given in ({"fingerprint": "a"}, {"cause": "alert HighErrorRate"}):
        assert await place(tmp_path, Reader(broken=True), **given) == (
            CheckLevel.ASK,
            "could not check whether the alert is about this place: no connection; type cad-ml-api if it is",
            "cad-ml-api",
        )


@pytest.mark.parametrize(
    ("identity", "level", "text"),
    [
        (ClusterIdentity("u1", "u2", "ann"), CheckLevel.OK, "the server sees you as ann; bound to cluster u1"),
        (ClusterIdentity("", "u2", "ann"), CheckLevel.OK, "the server sees you as ann; bound to namespace u2"),
        (ClusterIdentity("u1"), CheckLevel.OK, "the server does not report your identity; bound to cluster u1"),
        (ClusterIdentity("", "", "ann"), CheckLevel.WARN, "the server sees you as ann; bound to this address only"),
        (ClusterIdentity(), CheckLevel.WARN, "the server does not report your identity; bound to this address only"),
    ],
)
def test_a_plan_that_only_an_address_binds_warns(identity: ClusterIdentity, level: CheckLevel, text: str) -> None:
    """A UID of the cluster or of the namespace binds it; who the server sees is said in any case."""
    (check,) = check_identity(ClusterTarget("here", "https://api.test", identity))
    assert (check.level, check.how) == (level, "identity") and check.text.startswith(text)


def test_each_controller_that_reverts_the_change_is_named(tmp_path: Path) -> None:
    """With the time that it is watched, or that its next run decides where nobody watches, and with the way around it."""
    plan = Plan(Request("scale", TARGET), "Scale", TARGET, (), (), "", "cad-ml-api", {})
    hpa = Reconciler("hpa", "HPA web", "why one", ("replicas",), ())
    flux = Reconciler("flux", "Flux", "why two", ("replicas",), (), own_way="change git")
    settings = settings_for(tmp_path, None, settle=(("hpa", 90.0), ("flux", 0.0)))
    assert check_reconcilers(plan, settings) == ()
    found = check_reconcilers(replace(plan, reconcilers=(hpa, flux)), settings)
    assert [(item.level, item.text, item.how) for item in found] == [
        (CheckLevel.WARN, "HPA web also sets this: watched for 1m30s after it is done", "why one"),
        (CheckLevel.WARN, "Flux also sets this: its next run sets it again; instead: change git", "why two"),
    ]


def on_cluster(folder: Path, place: ClusterPlace | None, **changes: Any) -> Settings:
    return replace(settings_for(folder, None), kubernetes=ClusterEndpoint(HERE, place=place), **changes)


async def test_a_cluster_that_nobody_named_is_named(tmp_path: Path) -> None:
    """An unknown one blocks, and one that the environment does not name warns with where it comes from; neither matters to an
    action that changes no cluster. A journal that is missing and a read-only console block, each by itself.
    """
    known = ClusterPlace("ctx", "prod", "https://api.test", "me")
    request, restart, silence = Request("restart", TARGET), action_named("restart"), action_named("silence")

    async def levels(settings: Settings, action: Any = restart) -> list[tuple[str, CheckLevel]]:
        found = await check_console(action, request, settings, None, journal_error="the journal is locked")
        assert found[0].text == "no write without its journal entry: the journal is locked"
        return [(item.how, item.level) for item in found]

    journal = ("journal", CheckLevel.BLOCK)
    unknown = on_cluster(tmp_path, None, cluster_named=True)
    assert await levels(unknown) == [journal, ("place", CheckLevel.BLOCK)]
    assert await levels(unknown, silence) == [journal]
    named = on_cluster(tmp_path, known, cluster_named=True)
    assert await levels(named) == [journal]
    unnamed = replace(named, cluster_named=False, origins=(("kubernetes", "environment KUBECONFIG (ctx)"),))
    assert await levels(unnamed) == [journal, ("place", CheckLevel.WARN)]
    assert await levels(unnamed, silence) == [journal]
    found = await check_console(restart, request, unnamed, None, journal_error="")
    assert found[1].text.endswith("does not name this cluster: it is from environment KUBECONFIG")
    assert await levels(replace(named, read_only=True)) == [journal, ("read-only", CheckLevel.BLOCK)]


@pytest.mark.parametrize(
    ("action", "target", "changes"),
    [
        ("restart", TARGET, True),
        ("silence", 'alertname="A"', False),
        ("rotate-token", "token/inside", True),
        ("rotate-token", "token/moved", True),
        ("rotate-token", "token/outside", False),
        ("rotate-token", "token/none", False),
    ],
)
def test_which_actions_change_an_object_of_the_cluster(tmp_path: Path, action: str, target: str, changes: bool) -> None:
    """By the kind of the target; a token only where it is kept in the cluster. An unknown action changes nothing."""
    tokens = (
        Token("inside", (), "", secrets=("s/token",)),
        Token("moved", (), "", restart=(TARGET,)),
        Token("outside", (), ""),
    )
    settings = settings_for(tmp_path, None, tokens=tokens)
    found = action_named(action)
    assert found is not None and changes_cluster(found, Request(action, target), settings) is changes
    assert changes_cluster(None, Request(action, target), settings) is False
