"""The settings of another environment, context or namespace of a running console."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from console.config.switch import CONTEXT, ENVIRONMENT, NAMESPACE, SettingsSource, SwitchRefused

CONFIG = """\
environments:
  production:
    prometheus: http://prom-production:9090
    kubernetes: {kubeconfig: kubeconfig, context: prod}
    store: {kubernetes: {}}
  staging:
    protected: false
    namespace: cad-staging
    prometheus: http://prom-staging:9090
    kubernetes: {kubeconfig: kubeconfig, context: stage}
"""


def source(folder: Path, flags: dict[str, Any] | None = None, **environ: str) -> SettingsSource:
    """Started in production, whose kubeconfig has three contexts; the last one's user is missing."""
    contexts = {"prod": "", "stage": "", "spare": "elsewhere"}
    body = {
        "current-context": "spare",
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": "u", **({"namespace": space} if space else {})}}
            for name, space in contexts.items()
        ],
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}:6443"}} for name in contexts],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    (folder / "kubeconfig").write_text(json.dumps(body))
    (folder / "config.yaml").write_text(CONFIG)
    given = {"config": str(folder / "config.yaml"), "environment": "production", **(flags or {})}
    return SettingsSource(given, {"HOME": str(folder), "USER": "you", **environ})


def test_an_address_of_one_environment_never_stands_under_the_name_of_another(tmp_path: Path) -> None:
    """Flags and variables with an address belong to the environment of the start: the other one has its own, and going back
    they count again; --read-only holds everywhere.
    """
    flags = {"prometheus_url": "http://flag:9090", "read_only": True, "namespace": "flagged"}
    first = source(tmp_path, flags, ALERTMANAGER_URL="http://am-of-production:9093")
    start = first.load()
    assert start.prometheus is not None and start.prometheus.url == "http://flag:9090"
    there, settings = first.switch(ENVIRONMENT, "staging")
    assert (settings.environment, settings.namespace, settings.read_only) == ("staging", "cad-staging", True)
    assert settings.prometheus is not None and settings.prometheus.url == "http://prom-staging:9090"
    assert settings.alertmanagers == ()
    assert settings.kubernetes is not None and settings.kubernetes.context == "stage"
    assert not settings.protected
    assert dict(settings.origins)["environment"] == ":env"
    _, back = there.switch(ENVIRONMENT, "production")
    assert back.prometheus == start.prometheus
    assert (back.namespace, back.kubernetes) == ("flagged", start.kubernetes)


def test_no_environment_writes_its_journal_to_the_store_of_another(tmp_path: Path) -> None:
    """A store and a Redis that variables name belong to the environment of the start; another one uses what it names itself."""
    first = source(tmp_path, CAD_CONSOLE_STORE="postgresql://ann@production/journal", REDIS_URL="redis://production")
    start = first.load()
    assert start.store is not None and start.store.url == "postgresql://ann@production/journal" and start.redis is not None
    there, settings = first.switch(ENVIRONMENT, "staging")
    assert settings.store is None and settings.redis is None
    _, back = there.switch(ENVIRONMENT, "production")
    assert (back.store, back.redis) == (start.store, start.redis)


def test_a_context_that_a_person_typed_is_protected_and_says_so(tmp_path: Path) -> None:
    """The environment did not name this cluster: its name has to be typed; going back to its own one lifts that again."""
    staging, _ = source(tmp_path).switch(ENVIRONMENT, "staging")
    there, settings = staging.switch(CONTEXT, "spare")
    assert settings.kubernetes is not None and settings.kubernetes.place is not None
    assert settings.kubernetes.place.server == "https://spare:6443"
    assert (settings.environment, settings.namespace) == ("staging", "cad-staging")
    assert settings.protected and not settings.cluster_named
    assert settings.cluster_note == (
        "the cluster comes from :ctx, in config file, line 10, the other sources from staging: it is protected"
    )
    assert settings.kubernetes.contexts == ("prod", "stage", "spare")
    _, back = there.switch(CONTEXT, "stage")
    assert not back.protected and back.cluster_note == ""


def test_a_namespace_is_kept_by_no_other_place_and_moves_no_shared_journal(tmp_path: Path) -> None:
    """`:ns` keeps environment and context, another context forgets it, and the shared journal stays where it is."""
    first = source(tmp_path)
    start = first.load()
    there, settings = first.switch(NAMESPACE, "payments")
    assert settings.kubernetes is not None
    assert (settings.namespace, settings.kubernetes.namespace, settings.kubernetes.context) == ("payments", "payments", "prod")
    assert dict(settings.origins)["namespace"] == ":ns"
    assert settings.store == start.store and settings.store is not None
    assert settings.protected is start.protected
    moved, other = there.switch(CONTEXT, "spare")
    assert other.namespace == "elsewhere"
    _, again = moved.switch(NAMESPACE, "payments")
    assert again.kubernetes is not None
    assert (again.kubernetes.context, again.namespace) == ("spare", "payments")


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        (ENVIRONMENT, "prod", "no environment 'prod'; it has production, staging"),
        (CONTEXT, "nowhere", "it has prod, spare, stage"),
        (NAMESPACE, "No Name", "expected a namespace's name"),
    ],
)
def test_an_unknown_name_says_what_there_is(tmp_path: Path, kind: str, name: str, words: str) -> None:
    """Nothing is loaded for a name that is not there."""
    with pytest.raises(SwitchRefused, match=words):
        source(tmp_path).switch(kind, name)


def test_where_nothing_else_can_be_named(tmp_path: Path) -> None:
    """Without environments or a kubeconfig the console says that there is nothing to switch to."""
    alone = SettingsSource({}, {"HOME": str(tmp_path), "USER": "you"})
    with pytest.raises(SwitchRefused, match="the config file names no environments"):
        alone.switch(ENVIRONMENT, "production")
    for call in (lambda: alone.switch(CONTEXT, "prod"), alone.contexts):
        with pytest.raises(SwitchRefused, match="there is no kubeconfig"):
            call()


def test_contexts_are_listed_without_secrets(tmp_path: Path) -> None:
    """Name, server, user and namespace of each, and which one the file itself chooses."""
    found = source(tmp_path).contexts()
    assert [(item.name, item.server, item.user, item.namespace, item.current) for item in found] == [
        ("prod", "https://prod:6443", "u", "", False),
        ("stage", "https://stage:6443", "u", "", False),
        ("spare", "https://spare:6443", "u", "elsewhere", True),
    ]
