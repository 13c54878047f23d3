"""`checklist` against a platform on loopback: exit codes, forms, files, and what cannot be used."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from told_platform import Series, ToldPlatform, told_platform

from console.cli.main import main
from console.journal.sqlite import Journal

LIST = """\
title: Mine
items:
  - {id: ratio, title: Error ratio, panel: error_ratio, warn: 1}
  - {id: health, title: Providers, panel: provider_health}
  - {id: well, question: Is all well?}
"""


def answers(ratio: str, health: str = "99") -> Callable[[str], list[Series]]:
    """The joined query of the panels, now and yesterday."""

    def vector(query: str) -> list[Series]:
        found: list[Series] = []
        for key, labels, value in (("error_ratio", {}, ratio), ("provider_health", {"provider": "deep[seek]\x1b"}, health)):
            found += [({"__q__": f"{key}/recorded", **labels}, value)] if f"{key}/recorded" in query else []
            found += [({"__q__": key, **labels}, "0.5")] if f'"{key}"' in query else []
        return [item for item in found if item[1]]

    return vector


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    (tmp_path / "config.yaml").write_text("{}\n")
    (tmp_path / "checklists").mkdir()
    (tmp_path / "checklists" / "mine.yaml").write_text(LIST)

    def call(platform: ToldPlatform, *words: str) -> tuple[int, str, str]:
        with monkeypatch.context() as environ:
            for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
                environ.delenv(name, raising=False)
            for name, value in platform.environ(str(tmp_path)).items():
                environ.setenv(name, value)
            environ.setenv("CAD_CONSOLE_CONFIG", str(tmp_path / "config.yaml"))
            code = main(["checklist", *words])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.mark.parametrize(
    ("ratio", "health", "code", "result"),
    [
        ("0.4", "99", 0, "all ok; 1 question for a person"),
        ("1.4", "99", 1, "something is critical or warns"),
        ("1.4", "", 1, "something is critical or warns"),
        ("0.4", "", 2, "something could not be evaluated"),
    ],
)
def test_exit_codes(run: Any, ratio: str, health: str, code: int, result: str) -> None:
    """0 all ok, 1 a missed target, 2 something not known and nothing missed; a question never fails."""
    with told_platform(vector=answers(ratio, health)) as platform:
        got, out, _ = run(platform, "mine")
    assert got == code
    assert result in out and "ASK Is all well?" in out


def test_every_form_tells_the_same(run: Any, tmp_path: Path) -> None:
    """Text, JSON, Markdown and JUnit name verdict, provider, target and yesterday; nothing from outside is markup."""
    with told_platform(vector=answers("0.4", "72.5")) as platform:
        _, text, _ = run(platform, "mine")
        _, result, _ = run(platform, "mine", "--format", "json")
        _, markdown, _ = run(platform, "mine", "--format", "markdown")
        code, nothing, _ = run(platform, "mine", "--format", "junit", "--output", str(tmp_path / "out.xml"))
    assert "WARN Providers: deep[seek]\\e: 72.5 % is under 90 %" in text and "\x1b" not in text + result + markdown
    items = {item["id"]: item for item in json.loads(result)["items"]}
    assert (items["health"]["verdict"], items["health"]["value"], items["well"]["verdict"]) == ("warn", 72.5, "question")
    assert items["ratio"]["yesterday"] == "0.50 % (now -0.10)" and items["ratio"]["target"] == "under 1 %, critical from 5 %"
    assert "deep\\[seek\\]" in markdown
    suite = ElementTree.parse(tmp_path / "out.xml").getroot()  # our own file
    assert (code, nothing, suite.get("failures"), suite.get("skipped")) == (1, "", "1", "1")


def test_what_cannot_be_used_is_told(run: Any, tmp_path: Path) -> None:
    """An unknown name with those there are; a broken file with its line, in lint too; a file that cannot be written."""
    with told_platform(vector=answers("0.4")) as platform:
        code, out, err = run(platform, "mornin")
        assert (code, out) == (2, "") and "did you mean 'morning'?" in err
        code, out, _ = run(platform, "--lint")
        assert code == 0 and "4 checklists" in out
        assert run(platform, "mine", "--output", str(tmp_path / "no" / "such"))[0] == 2
        (tmp_path / "checklists" / "morning.yaml").write_text("title: x\nitems: [{id: a, panel: nothing}]\n")
        code, out, _ = run(platform, "--lint")
        assert code == 1 and f"{tmp_path / 'checklists' / 'morning.yaml'}:2: items[0].panel: no such panel" in out
        code, _, err = run(platform, "morning")
        assert code == 2 and "no such panel" in err
        code, out, err = run(platform)
        assert code == 2 and "hourly" in out and "no such panel" in err


def test_a_query_that_prometheus_refuses_fails_the_lint(run: Any, tmp_path: Path) -> None:
    """The queries that the lists name are tried on the configured server."""
    own = "title: x\nitems: [{id: a, query: bad}]\nqueries: {bad: {title: Bad, expr: 'sum(', unit: count}}\n"
    (tmp_path / "checklists" / "own.yaml").write_text(own)
    refused = {"/api/v1/query": (400, "bad")}
    with told_platform(pages=refused) as platform:
        code, out, _ = run(platform, "--lint")
    assert code == 1 and "own.yaml: query bad: " in out


def test_the_lint_does_not_pass_what_it_could_not_check(run: Any, tmp_path: Path) -> None:
    """Where Prometheus does not answer it exits with 2, and only the files are valid; an error in a file is still 1."""
    own = "title: x\nitems: [{id: a, query: up}]\nqueries: {up: {title: Up, expr: 'sum(up)', unit: count}}\n"
    (tmp_path / "checklists" / "own.yaml").write_text(own)
    with told_platform(pages={"/api/v1/query": (502, "bad gateway")}) as platform:
        code, out, _ = run(platform, "--lint")
        assert code == 2 and "queries not checked: " in out and "items: the files are valid" in out and "all valid" not in out
        (tmp_path / "checklists" / "mine.yaml").write_text("title: x\nitems: [{id: a, panel: nothing}]\n")
        assert run(platform, "--lint")[0] == 1


def test_the_shipped_file_is_printed_to_begin_with(run: Any) -> None:
    """--print gives the YAML of a shipped list."""
    with told_platform() as platform:
        code, out, _ = run(platform, "end-of-day", "--print")
        assert code == 0 and "cronjob:" in out
        assert run(platform, "queries", "--print")[0] == 2


def test_it_only_reads(run: Any, tmp_path: Path) -> None:
    """Nothing but GETs and the POSTs of long queries leave, and no walk is journalled."""
    with told_platform(vector=answers("0.4")) as platform:
        for name in ("morning", "hourly", "end-of-day"):
            run(platform, name)
        run(platform, "--lint")
    assert platform.methods <= {"GET", "POST"}
    with Journal.open_to_read(tmp_path / ".local" / "state" / "cad-console" / "journal.sqlite3") as journal:
        assert journal.events() == ()
