"""Writes the parts of deploy/ that are made from the program's own files: rules, routing, dashboards."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from console.cli.dashboards import written  # noqa: E402
from console.demo import server_config  # noqa: E402
from queries.grafana.export import exported  # noqa: E402
from queries.promql.rule_templates import rule_manifest, rule_names, rule_text  # noqa: E402

_HEAD = "# Made by deploy/generate.py from queries/rules; do not change it here.\n"


def prometheus_rules() -> str:
    """The platform's rules, one PrometheusRule of the Prometheus operator a file: groups of two files may share a name."""
    return _HEAD + "---\n".join(map(rule_manifest, rule_names()))


def files() -> dict[Path, str]:
    """Every generated file with what it should hold."""
    deploy = ROOT / "deploy"
    made = {deploy / "base" / "rules.yaml": prometheus_rules()}
    made |= {deploy / "rules" / name: _HEAD + rule_text(name) for name in rule_names()}
    quiet = server_config.quiet_routing(rule_text("alertmanager.yaml"), where="alertmanager.yaml")
    made[deploy / "compose" / "alertmanager.yml"] = _HEAD + quiet
    dashboards = deploy / "compose" / "grafana" / "dashboards"
    for name, dashboard in exported().items():
        made[dashboards / f"{name.replace('_', '-')}.json"] = written(dashboard)
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a file is out of step")
    arguments = parser.parse_args()
    stale = [path for path, text in files().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(path.relative_to(ROOT), "is out of step" if arguments.check else "written")
        if not arguments.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files()[path], encoding="utf-8")
    return 1 if stale and arguments.check else 0


if __name__ == "__main__":
    raise SystemExit(main())
