"""Rule files as Prometheus reads them."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from servers import PLAIN_PROMETHEUS, start_prometheus

from queries.promql.rule_files import read_rules

SCALARS = """\
groups:
  - name: scalars
    rules:
      - alert: Always
        expr: vector(1)
        labels:
          severity: yes
          version: 1.10
          octal: 012
          clock: 1:30
          day: 2024-01-01
          hexadecimal: 0x1F
          grouped: 1_000
          big: 12345678901234567890
          power: 1e3
          quoted: "on"
          nothing:
          tilde: ~
        annotations:
          since: 2024-01-01
          release: 1.20
"""


@pytest.mark.servers
def test_labels_are_what_prometheus_reads(tmp_path: Path) -> None:
    """Labels and annotations that are not quoted are read as a real Prometheus reads them: as they were written."""
    config = PLAIN_PROMETHEUS + "rule_files: [rules.yaml]\n"
    with start_prometheus(config, {"rules.yaml": SCALARS}, folder=tmp_path) as server:
        groups = httpx.get(f"{server.url}/api/v1/rules", trust_env=False).json()["data"]["groups"]
    loaded = groups[0]["rules"][0]
    ours = read_rules(SCALARS, path="rules.yaml").rules[0].rule
    # Prometheus lists a label without a value and drops it from the alert.
    assert dict(ours.labels) == loaded["labels"]
    assert dict(ours.annotations) == loaded["annotations"]
    assert dict(ours.labels)["severity"] == "yes" and dict(ours.labels)["version"] == "1.10"


def test_a_label_that_is_no_text_is_named() -> None:
    """A mapping or list where a label's value belongs is a fault with its line, as promtool refuses it too."""
    text = "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up\n    labels:\n      team: [a, b]\n"
    found = read_rules(text, path="rules.yaml")
    assert [(item.line, item.text) for item in found.problems] == [(7, "expected text for the label or annotation `team`")]
