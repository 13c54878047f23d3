"""Rules of a manifest as a plain file: the same values for whoever reads it, each line with the manifest's."""

from __future__ import annotations

import yaml

from queries.promql.plain_rules import PlainRules, write_plain
from queries.yaml import load_with_lines

MANIFEST = """\
spec:
  groups:
  - name: "one"
    partial_response_strategy: warn
    interval: 1m
    rules:
    - alert: Ä"quoted"
      expr: |
        up == 0
        and on() vector(1)
      for: 010
      labels: {severity: yes, empty: {}}
    - record: b
      expr: 1.10
      labels:
      keep: []
  - name: two
    limit: 5
    rules: []
"""


def written(*without: tuple[str | int, ...]) -> tuple[PlainRules, object]:
    document = load_with_lines(MANIFEST)
    path = ("spec", "groups")
    found = write_plain(document.value["spec"]["groups"], path, document, shift=lambda line: line + 100, without=without)
    return found, yaml.safe_load(found.text)


def test_a_plain_file_has_the_values_of_the_manifest() -> None:
    """Texts as texts, scalars as they are written, empty lists and mappings as such; what Prometheus refuses is left out."""
    _, read = written()
    expected = yaml.safe_load(MANIFEST)["spec"]
    del expected["groups"][0]["partial_response_strategy"]
    assert read == expected


def test_each_line_names_that_of_the_manifest() -> None:
    """In the file that holds it; a line that does not exist has none."""
    found, _ = written()
    lines = found.text.splitlines()
    assert len(lines) == len(found.lines)
    where = {text.strip(): found.line(number) for number, text in enumerate(lines, start=1)}
    assert where['"name": "one"'] == 103 and where['"limit": 5'] == 118
    assert where['"for": 010'] == 111 and where['"keep": []'] == 116
    assert (found.line(0), found.line(-1), found.line(1), found.line(len(lines)), found.line(len(lines) + 1)) == (
        0, 0, found.lines[0], found.lines[-1], 0,
    )  # fmt: skip


def test_what_is_left_out_is_left_out_alone() -> None:
    """By its path: the same key of the other group stays."""
    _, read = written(("spec", "groups", 0, "name"), ("spec", "groups", 0, "rules", 0, "labels", "severity"))
    expected = yaml.safe_load(MANIFEST)["spec"]
    for key in ("partial_response_strategy", "name"):
        del expected["groups"][0][key]
    del expected["groups"][0]["rules"][0]["labels"]["severity"]
    assert read == expected
