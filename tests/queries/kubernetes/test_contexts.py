"""The contexts of kubeconfigs as people choose among them, and every refusal with its file, without a secret."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from queries import shipped
from queries.errors import NotConfigured
from queries.kubernetes.kubeconfig import (
    ContextSummary,
    choose_context,
    describe_credential,
    kubeconfig_files,
    list_contexts,
    recall_choice,
    redact_server,
)


def named(name: str, key: str, **body: Any) -> dict[str, Any]:
    return {"name": name, key: body}


NAME = "me:pw"
FIRST = {
    "current-context": "one",
    "contexts": [named("one", "context", cluster="c", user="u", namespace="n"), named("two", "context", cluster="gone")],
    "clusters": [named("c", "cluster", server=f"https://{NAME}@h:6443/base/?token=x")],
    "users": [named("u", "user", **{"client-certificate": "cert.pem", "client-key": "key.pem", "as": "viewer"})],
}
SECOND = {
    "current-context": "other",
    "contexts": [named("one", "context", cluster="x"), named("three", "context", cluster="d", user="v")],
    "clusters": [named("c", "cluster", server="https://second"), named("d", "cluster", server="http://d")],
    "users": [named("v", "user", tokenFile="token", exec={"command": "bin/login", "args": ["x"]})],
}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    made = []
    for name, content in (("a", FIRST), ("b", SECOND)):
        (tmp_path / name).mkdir()
        made.append(tmp_path / name / "config")
        made[-1].write_text(json.dumps(content))
    return made[0], made[1]


def test_every_context_of_both_files(files: tuple[Path, Path]) -> None:
    """In the files' order; the first file that has a name wins, its choice is the current one; no secret is shown."""
    assert list_contexts(files) == (
        ContextSummary("one", "c", "https://h:6443/base", "u", "n", True),
        ContextSummary("two", "gone", "", "", "", False),
        ContextSummary("three", "d", "http://d", "v", "", False),
    )


def test_a_context_without_a_section_is_listed(tmp_path: Path) -> None:
    """It is there, with nothing in it; what has no name is not."""
    path = tmp_path / "k"
    odd = {
        "contexts": [{"name": "x", "context": 7}, {"context": {}}, 3, {"name": 5}],
        "clusters": [{"name": "c", "cluster": 7}],
    }
    path.write_text(json.dumps(odd))
    assert list_contexts([path]) == (ContextSummary("x", "", "", "", "", False),)


def test_what_was_chosen(files: tuple[Path, Path]) -> None:
    """The current context, or a named one of either file; paths belong to the file that has them."""
    one = choose_context(files)
    assert (one.context, one.cluster_name, one.user_name, one.namespace, one.known) == (
        "one",
        "c",
        "u",
        "n",
        ("one", "two", "three"),
    )
    assert one.user["client-key"] == str(files[0].parent / "key.pem") and repr(one) == "ChosenContext('one')"
    assert (one.place.server, one.place.credential, one.place.impersonates) == (
        "https://h:6443/base",
        "client certificate",
        "viewer",
    )
    three = choose_context(files, "three")
    assert three.user["tokenFile"] == str(files[1].parent / "token")
    assert three.user["exec"] == {"command": str(files[1].parent / "bin/login"), "args": ["x"]}
    assert three.cluster["server"] == "http://d"


def test_the_same_files_are_read_once(files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the settings need, the files with secrets included; another content is another choice."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for _ in range(2):
        found = recall_choice(files)
        assert (found.place, found.namespace, found.known) == (choose_context(files).place, "n", ("one", "two", "three"))
        assert found.secret_files == (str(files[0].parent / "key.pem"),)
    assert recall_choice(files, "three").secret_files == (str(files[1].parent / "token"),)
    files[0].write_text(json.dumps({**FIRST, "current-context": "three"}))
    assert recall_choice(files).place.context == "three"


def test_a_choice_is_kept_for_the_text_it_was_made_from(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`kubectl config use-context` in another shell, while a choice is made, does not put its context under the old text."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    recall = shipped.recall

    def recall_late(kind: str, facts: str, build: Callable[[], Any]) -> Any:
        files[0].write_text(json.dumps({**FIRST, "current-context": "three"}))
        return recall(kind, facts, build)

    with monkeypatch.context() as late:
        late.setattr(shipped, "recall", recall_late)
        assert recall_choice(files).place.context == "one"
    assert recall_choice(files).place.context == "three"
    files[0].write_text(json.dumps(FIRST))
    assert recall_choice(files).place.context == "one"


@pytest.mark.parametrize(
    ("content", "context", "what", "hint"),
    [
        (FIRST, "nope", "no context 'nope' in the kubeconfig {path}", "it has one, two"),
        (FIRST, "two", "no cluster 'gone' in the kubeconfig {path}", "it has c"),
        ({**FIRST, "users": []}, "", "no user 'u' in the kubeconfig {path}", "it has none"),
        ({**FIRST, "current-context": ""}, "", "the kubeconfig {path} names no context", "choose one with --context"),
        (
            {**FIRST, "contexts": [named("one", "context", user="u")]},
            "",
            "the kubeconfig {path} names no cluster",
            "choose one",
        ),
        ({**FIRST, "contexts": {}}, "nope", "no context 'nope' in the kubeconfig {path}", "it has none"),
        ({**FIRST, "contexts": {"a": 1}}, "", "the kubeconfig {path} has a contexts section that is not a list", ""),
        ({**FIRST, "users": FIRST["users"] * 2}, "", "the kubeconfig {path} has 'u' twice in users", "keep one of them"),  # type: ignore[operator]
        ([], "", "the kubeconfig {path} is empty or not a mapping", ""),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, content: Any, context: str, what: str, hint: str) -> None:
    """The entry, the file, and what it has instead."""
    path = tmp_path / "k"
    path.write_text(json.dumps(content))
    with pytest.raises(NotConfigured) as refused:
        choose_context([path], context)
    assert refused.value.fault.what == what.format(path=path) and refused.value.fault.hint.startswith(hint)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"a: [", "the kubeconfig is not YAML: "),
        (b"\xff\xfe", "cannot be read"),
        (b"a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
         b"d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n",
         "is too large, or full of nested aliases"),
    ],
)  # fmt: skip
def test_what_is_no_kubeconfig(tmp_path: Path, content: bytes, what: str) -> None:
    """Broken YAML, another encoding, and aliases without end, each with the file."""
    path = tmp_path / "k"
    path.write_bytes(content)
    with pytest.raises(NotConfigured, match=what) as refused:
        list_contexts([path])
    assert str(path) in refused.value.fault.what


@pytest.mark.parametrize(("more", "fits"), [(0, True), (1, False)])
def test_a_kubeconfig_has_at_most_100_000_values(tmp_path: Path, more: int, fits: bool) -> None:
    """With the values of its aliases, and with the mapping and each list itself: 641 lists of 155 and a few."""
    lists = ["&l [" + ", ".join("x" * 155) + "]", *["*l"] * 640]
    path = tmp_path / "k"
    path.write_text(f"many: [{', '.join(lists)}]\n" + "".join(f"k{at}: v\n" for at in range(2 + more)))
    if fits:
        assert list_contexts([path]) == ()
    else:
        with pytest.raises(NotConfigured, match="is too large, or full of nested aliases"):
            list_contexts([path])


def test_files_that_are_missing_are_skipped(files: tuple[Path, Path], tmp_path: Path) -> None:
    """As in kubectl; with none of them there it says which were looked for."""
    gone = tmp_path / "gone"
    assert kubeconfig_files(os.pathsep.join((str(gone), "", str(files[1])))) == (files[1],)
    with pytest.raises(NotConfigured) as refused:
        kubeconfig_files(f"{gone}{os.pathsep}{tmp_path}")
    assert refused.value.fault.what == f"no kubeconfig at {gone}, {tmp_path}"


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ({}, ""),
        ({"token": "secret", "exec": {"command": "aws"}}, "token"),
        ({"tokenFile": "/run/token"}, "token of /run/token"),
        ({"username": "ann", "password": "secret"}, "user name and password"),
        ({"exec": {"command": "aws", "args": ["secret"]}}, "exec plugin aws"),
        ({"exec": "odd"}, "exec plugin"),
        ({"auth-provider": {"name": "oidc"}}, "auth-provider oidc"),
        ({"auth-provider": "odd"}, "auth-provider"),
        ({"client-certificate-data": "secret"}, "client certificate"),
        ({"client-certificate": "c.pem"}, "client certificate"),
    ],
)
def test_how_a_user_logs_in(user: dict[str, Any], said: str) -> None:
    """In a few words and without the secret."""
    assert describe_credential(user) == said


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@h:1/x/?q=1#f", "https://h:1/x"),
        ("http://h", "http://h"),
        ("h:6443", ""),
        ("", ""),
        (None, ""),
        (7, ""),
        ("http://[", ""),
    ],
)
def test_a_servers_address(url: object, shown: str) -> None:
    """Without user, password and query; what is no URL is none."""
    assert redact_server(url) == shown
