"""Checklists as files: what is shipped can be read, what is wrong is named with its line and what exists instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.checklists.definition import AlertsEvidence, BatchEvidence, Checklist, MaintenanceEvidence, QueryEvidence
from console.checklists.loader import KINDS, ChecklistNames, Checklists, parse, read_files, shipped_text
from console.config.errors import ConfigError
from queries.catalogue.loader import load_board

VOCABULARY = ChecklistNames(load_board("overview"), ("triage", "high-error-rate"), "cad-ml-platform")
QUERY = "queries:\n  q: {{title: Q, expr: up, unit: count, {}}}\n"
HEAD = "title: Mine\nitems:\n"


def read(text: str) -> Checklist:
    return parse(text, name="mine", path="mine.yaml", vocabulary=VOCABULARY)


def test_what_is_shipped_is_the_three_checklists_of_the_platform() -> None:
    """All can be read, in the order of the day, and every kind of evidence is one that a file can name."""
    found = Checklists.load("", VOCABULARY)
    assert found.broken == ()
    assert found.names == ("morning", "hourly", "end-of-day")
    assert [item.due for item in found.lists] == ["09:00", "hourly", "18:00"]
    assert [item.summary for item in found.lists] == [False, False, True]
    for name in found.names:
        assert read(shipped_text(name)).items


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("title: Mine\nitmes: []\n", 2, "itmes: unknown key, did you mean 'items'?"),
        (HEAD + "  - id: a\n    pannel: error_ratio\n", 4, "unknown key, did you mean 'panel'?"),
        (HEAD + "  - id: a\n    zzz: 1\n", 4, "expected one of id, title, asks, runbook, warn, critical, panel, query, alerts"),
        (HEAD + "  - id: a\n    panel: eror_ratio\n", 4, "no such panel, did you mean 'error_ratio'? (expected one of"),
        (HEAD + "  - id: a\n    query: availabilty\n", 4, "no such query, did you mean 'availability'? (expected one"),
        (HEAD + "  - id: a\n    kpis: [availability, nothing]\n", 4, "kpis[1]: no such query or measured panel"),
        (HEAD + "  - id: a\n    kpis: [workloads]\n", 4, "no such query or measured panel"),
        (HEAD + "  - id: a\n    title: x\n", 3, f"expected exactly one of {', '.join(KINDS)}, found none"),
        (HEAD + "  - id: a\n    panel: cpu\n    question: Well?\n", 3, "found panel and question"),
        (HEAD + "  - id: a\n    question: Well?\n  - id: a\n    panel: cpu\n", 5, "duplicate id"),
        (HEAD + "  - id: a\n    question: Well?\n    warn: 3\n", 5, "only an item with a panel or query has thresholds"),
        (HEAD + "  - id: a\n    panel: cpu\n    runbook: high-error\n", 5, "no such runbook, did you mean 'high-error-rate'?"),
        (HEAD + "  - id: a\n    panel: cpu\n    warn: high\n", 5, "expected a number, found text"),
        (HEAD + "  - id: a\n    panel: cpu\n    warn: 95\n", 5, "reversed thresholds: large values are bad"),
        (HEAD + "  - id: a\n    query: q\n" + QUERY.format("warn: 1, critical: 0"), 6, "queries.q.critical: reversed"),
        (HEAD + "  - id: a\n    alerts: {since: noon}\n", 4, "expected midnight or a list of them"),
        (HEAD + "  - id: a\n    alerts: {since: midnight, otherwise: 0h}\n", 4, "expected a duration like 90m, 26h or 7d"),
        (HEAD + "  - id: a\n    cronjob: {name: backup}\n", 4, "expected the key 'within' here"),
        (HEAD + "  - id: a\n    maintenance: {within: 7d, planned: [{title: x, from: 2026-01-03, to: x}]}\n", 4, "its zone"),
        ("title: Mine\ndue: 9am\n" + HEAD[12:] + "  - id: a\n    panel: cpu\n", 2, 'expected hourly, or a local time'),
        ("title: Mine\nitems: []\n", 2, "expected at least one item"),
        ("", 1, "expected a mapping, found nothing"),
        ("title: [", 2, "not YAML"),
        (HEAD + "  - &a {id: a, panel: cpu}\n  - *a\n", 2, "aliases"),
        (
            HEAD + "  - {id: a, query: q}\nqueries:\n  q:\n    title: Q\n    unit: count\n    expr: ${request[5m]}\n",
            8,
            "queries.q.expr: there is no signal 'request'; expected one of",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(text: str, line: int, told: str) -> None:
    """File, line, key, and what was expected or exists instead."""
    with pytest.raises(ConfigError) as error:
        read(text)
    assert str(error.value).startswith(f"mine.yaml:{line}: ")
    assert told in str(error.value)


def test_a_team_writes_its_own_queries_windows_and_plans() -> None:
    """A query of the file itself, its namespace filled in; durations and times with a zone become seconds."""
    found = read(
        HEAD + "  - {id: a, query: pods, critical: 3}\n"
        "  - {id: b, alerts: {since: [mine], otherwise: 1h30m, at_most: 2d}}\n"
        "  - {id: c, job: {name: 'dump-*', within: 1w}}\n"
        "  - id: d\n    maintenance:\n      within: 7d\n"
        "      planned: [{title: Redis, from: 2026-01-03T22:00:00Z, to: '2026-01-04T00:00:00+01:00'}]\n"
        "queries:\n  pods: {title: Pods, expr: 'sum(up{namespace=\"$namespace\"})', unit: count, warn: 1}\n"
    )
    query, alerts, job, maintenance = (item.evidence for item in found.items)
    assert isinstance(query, QueryEvidence)
    assert (query.spec.raw, query.spec.threshold.warn, query.threshold.critical) == (
        'sum(up{namespace="cad-ml-platform"})',
        1,
        3,
    )
    assert alerts == AlertsEvidence(("mine",), 5400.0, 2 * 86_400.0)
    assert job == BatchEvidence("Job", "dump-*", 7 * 86_400.0)
    assert isinstance(maintenance, MaintenanceEvidence)
    assert [(item.starts_at, item.ends_at) for item in maintenance.planned] == [(1_767_477_600.0, 1_767_481_200.0)]


def test_a_teams_file_comes_before_the_shipped_one(tmp_path: Path) -> None:
    """One of the same name takes its place, another name comes behind, and a broken one never lets the shipped one return."""
    (tmp_path / "hourly.yaml").write_text("title: Ours\nitems: [{id: a, panel: cpu}]\n")
    (tmp_path / "weekly.yml").write_text("title: Weekly\nitems: [{id: a, question: All well?}]\n")
    (tmp_path / "morning.yaml").write_text("title: Broken\n")
    found = Checklists.load(str(tmp_path), VOCABULARY)
    assert found.names == ("hourly", "end-of-day", "weekly")
    ours = found.get("hourly")
    assert ours is not None and ours.title == "Ours"
    assert [(item.name, item.why) for item in found.broken] == [
        ("morning", f"{tmp_path / 'morning.yaml'}:1: expected the key 'items' here")
    ]
    (tmp_path / "morning.yaml").write_text("title: Ours\nitems:\n  - id: a\n    alerts: {since: [weekly, evening]}\n")
    (broken,) = Checklists.load(str(tmp_path), VOCABULARY).broken
    assert broken.why.startswith(f"{tmp_path / 'morning.yaml'}:4: items[0].alerts.since[1]: no such checklist, ")


def test_two_files_of_one_name_are_no_checklist(tmp_path: Path) -> None:
    """Neither of `weekly.yaml` and `weekly.yml` is taken without notice, and the shipped ones stay."""
    (tmp_path / "weekly.yaml").write_text("title: one")
    (tmp_path / "weekly.yml").write_text("title: other")
    found = {item.name: item.why for item in read_files(str(tmp_path))}
    assert found.pop("weekly") == f"weekly.yaml and weekly.yml are both in {tmp_path}: keep one of them"
    assert sorted(found) == ["end-of-day", "hourly", "morning"] and set(found.values()) == {""}


def test_a_folder_that_cannot_be_read_does_not_give_the_shipped_lists(tmp_path: Path) -> None:
    """The team's own may be in it; a folder that does not exist has none."""
    folder = tmp_path / "checklists"
    assert {item.why for item in read_files(str(folder))} == {""}
    folder.write_text("not a folder")
    found = read_files(str(folder))
    assert len(found) >= 3 and all(item.why.startswith(f"{folder} cannot be read: Not a directory") for item in found)


@pytest.mark.parametrize("more", [0, 1])
def test_a_file_has_at_most_256_kib(tmp_path: Path, more: int) -> None:
    """Exactly so many bytes are read; one more makes a broken checklist that says so."""
    head = HEAD + "  - id: a\n    question: Well?\n# "
    (tmp_path / "mine.yaml").write_text(head + "x" * ((256 << 10) - len(head) + more))
    found = Checklists.load(str(tmp_path), VOCABULARY)
    assert ("mine" in found.names, len(found.broken)) == (not more, more)
    assert not more or "256 KiB" in str(found.broken[0])


@pytest.mark.parametrize(("key", "reason"), [('absent: "no backup ran"', "no backup ran"), ("decimals: 1", "")])
def test_a_query_says_in_its_own_words_why_it_has_no_sample(key: str, reason: str) -> None:
    found = read(HEAD + "  - id: a\n    query: q\n" + QUERY.format(key))
    (query,) = (item.evidence for item in found.items)
    assert isinstance(query, QueryEvidence) and query.spec.no_data_reason == reason


@pytest.mark.parametrize("name", ["queries", "nothing", ""])
def test_what_is_no_shipped_checklist_is_no_start_for_one(name: str) -> None:
    """The file of the queries is no checklist."""
    with pytest.raises(KeyError):
        shipped_text(name)
