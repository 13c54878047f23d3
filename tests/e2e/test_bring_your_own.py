"""A team's own pages, panels, checklist and rules, on a real Prometheus: what the screens and the commands make of them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from real_program import Bench
from servers import start_prometheus
from terminal import Terminal

from console.demo.process import ServerProcess
from queries.promql.our_rules import rule_names
from queries.promql.rule_templates import rule_text

pytestmark = pytest.mark.servers

PAGES = {
    "shop_orders_stopped.md": "# Orders stopped\n\nCall the shop before anything else.\n",
    "queue.md": "---\ntitle: The queue is long\nweight: 10\n---\n\nDrain it.\n",
    "nested/high-error-rate.md": "Our own error rate\n==================\n\nOur words.\n",
}
BOARD = """title: Shop
about: What the shop earns.
panels:
  - id: orders_waiting
    title: Orders waiting
    unit: count
    decimals: 0
    raw: sum(shop_orders_waiting)
    warn: 5
    critical: 6
    alerts: [ShopOrdersStopped]
    runbook: shop-orders-stopped
  - id: baskets
    title: Baskets
    unit: count
    decimals: 0
    raw: sum(shop_baskets)
    below: true
    warn: 2
  - id: money
    title: Money
    unit: euros
    raw: sum(shop_euros)
  - id: refused
    title: Refused
    unit: count
    raw: sum(rate(shop_baskets))
  - overview/error_ratio
"""
FRONT = "panels:\n  - shop/orders_waiting\n  - shop/money\n"
CHECKLIST = """title: The shop opens
items:
  - id: waiting
    panel: orders_waiting
  - id: baskets
    panel: baskets
    warn: 4
"""
SIGNALS = """signals:
  queue_depth:
    definitions:
      - id: shop
        says: what waits in the shop
        expr: max(shop_orders_waiting)
        needs: {metric: shop_orders_waiting}
  shop_sold:
    about: baskets that were sold
    unit: count
    definitions:
      - {id: baskets, says: baskets, expr: sum(shop_baskets)}
  wrong:
    about: what nobody knows
    unit: count
    definitions:
      - {id: a, says: b, expr: "${shop_sould}"}
"""
RECORDS = [
    {"record": "shop_orders_waiting", "expr": "vector(7)"},
    {"record": "shop_baskets", "expr": "vector(3)"},
    {"record": "platform_error_ratio", "expr": "vector(0.42)"},
]
STOPPED = {"alert": "ShopOrdersStopped", "expr": "sum(shop_orders_waiting) > 5", "labels": {"severity": "warning"}}
CACHE = {"alert": "CacheHitRateLow", "expr": "vector(1) unless on () (analysis_cache_hits_total / analysis_cache_miss_total)"}
LONG = {"alert": "QueueTooLong", "expr": "vector(0) > 1", "annotations": {"runbook": "docs/queue.md"}}


def rules(*listed: object) -> str:
    return json.dumps({"groups": [{"name": "shop", "rules": listed}]})


@dataclass
class Scene:
    bench: Bench
    config: Path

    def run(self, *words: str) -> list[object]:
        return list(self.bench.run_all(tuple(words)))


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    config = json.dumps({"global": {"evaluation_interval": "1s"}, "rule_files": ["rules.yml"]})
    folder = tmp_path_factory.mktemp("prometheus")
    with start_prometheus(config, {"rules.yml": rules(*RECORDS, STOPPED, CACHE, LONG)}, folder=folder) as server:
        deadline = time.monotonic() + 30
        while not httpx.get(f"{server.url}/api/v1/alerts", trust_env=False).json()["data"]["alerts"]:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield server


@pytest.fixture
def scene(tmp_path: Path, prometheus: ServerProcess) -> Scene:
    team = tmp_path / "team"
    for name, text in {
        **{f"pages/{name}": text for name, text in PAGES.items()},
        "panels/shop.yaml": BOARD,
        "panels/front.yaml": FRONT,
        "checklists/shop.yaml": CHECKLIST,
        "rules/shop.yaml": rules(*RECORDS, {**STOPPED, "for": "5m"}, CACHE, LONG, {**LONG, "alert": "NeverLoaded"}),
    }.items():
        (team / name).parent.mkdir(parents=True, exist_ok=True)
        (team / name).write_text(text)
    bench = Bench(tmp_path)
    path = bench.config(prometheus.url, others="")
    more = {"runbooks": ["team/pages"], "panels": "team/panels/*.yaml", "checklists": "team/checklists", "rules": "team/rules"}
    path.write_text(json.dumps({**json.loads(path.read_text()), **more}))
    return Scene(bench, path)


def test_the_commands_take_a_teams_own(scene: Scene, tmp_path: Path) -> None:
    """Panels are judged beside ours and broken ones named by file and line; a page is found by its file's name, by the rule
    that names it and by any address; a checklist asks for a panel that stands on a board alone."""
    config = ("--config", str(scene.config))
    status, by_name, by_rule, ours, unknown, checklist, listed, other = scene.bench.run_all(
        (*config, "status", "--format", "json"),
        (*config, "runbook", "ShopOrdersStopped"),
        (*config, "runbook", "queue-too-long"),
        (*config, "runbook", "https://wiki.example.com/high_error_rate.md"),
        (*config, "runbook", "ShopOrderStopped"),
        (*config, "checklist", "shop"),
        (*config, "doctor"),
        (*config, "runbook", "CacheHitRateLow"),
    )
    panels = {item["id"]: item for item in status.told["panels"]}
    assert (panels["orders_waiting"]["verdict"], panels["orders_waiting"]["value"]) == ("critical", 7)
    broken = f"{tmp_path}/team/panels/shop.yaml:22: panels[2].unit: no such unit 'euros'"
    assert (panels["money"]["verdict"], panels["money"]["value"]) == ("no_data", None)
    assert panels["money"]["reason"].startswith("shop.yaml:22: panels[2].unit: no such unit")
    assert broken in status.err and status.code == 1
    assert "Orders stopped" in by_name.out and "for ShopOrdersStopped" in by_name.out
    assert "The queue is long" in by_rule.out and "Drain it." in by_rule.out
    assert "Our own error rate" in ours.out
    assert (unknown.code, unknown.out) == (1, "") and "did you mean" in unknown.err and "shop_orders_stopped" in unknown.err
    assert checklist.code == 1 and "at or over 6" in checklist.out and "under 4" in checklist.out, checklist.out
    assert broken in listed.out
    assert "IN DOUBT: this page queries the feature cache; the alert is about the analysis cache" in other.out


def test_check_says_which_rules_are_missing_different_and_extra(scene: Scene, tmp_path: Path) -> None:
    """Against what the server has loaded: by name, file and line, and what differs; a rule as it stands is not named."""
    (ran,) = scene.bench.run_all(("--config", str(scene.config), "check", "--format", "json"))
    found = {item["name"]: item for item in ran.told["checks"] if item["area"] == "rules"}
    file = f"{tmp_path}/team/rules/shop.yaml:1"
    assert (found["missing"]["result"], found["missing"]["text"]) == ("failed", f"1 are not loaded: NeverLoaded {file}")
    assert found["different"]["text"] == f"1 differ from their files: ShopOrdersStopped {file} (for)"
    assert found["extra"]["result"] == "passed" and found["expected"]["result"] == "passed"


def type_command(terminal: Terminal, words: str) -> None:
    terminal.send(":")
    terminal.wait_for("a command: tab completes")
    terminal.send(words)
    terminal.wait_for(words)
    terminal.send("\r")
    terminal.wait_gone("a command: tab completes")


def test_the_screens_take_a_teams_own(scene: Scene) -> None:
    """At a terminal: the panel on the overview, the board with what Prometheus refuses and where that stands, and the page
    behind the alert."""
    with scene.bench.terminal(scene.config, columns=120, rows=40) as terminal:
        terminal.wait_for("Orders waiting", "CRIT", "ShopOrdersStopped", "shop_orders_stop")
        terminal.send("5")
        terminal.wait_for("queue", "The queue is long", "QueueTooLong")
        type_command(terminal, "dashboard shop")
        terminal.wait_for("Shop", "Baskets", "Refused", "shop.yaml:")
        type_command(terminal, "alert ShopOrdersStopped")
        terminal.wait_for("shop_orders_stopped (by file name)")
        type_command(terminal, "alert CacheHitRateLow")
        terminal.wait_for("this page queries the feature cache;", "the analysis cache")
        terminal.send("b")
        terminal.wait_for("this page queries the feature cache; the alert is about the analysis cache")
        type_command(terminal, "alert ShopOrdersStopped")
        terminal.wait_for("shop_orders_stopped (by file name)")
        terminal.send("b")
        terminal.wait_for("Orders stopped", "Call the shop before anything else.")
        type_command(terminal, "runbook docs/queue.md")
        terminal.wait_for("The queue is long", "Drain it.")
        type_command(terminal, "runbook nosuchpage")
        terminal.wait_for("no runbook or alert is named nosuchpage")


def test_our_rules_are_loaded_as_their_files_have_them(tmp_path: Path) -> None:
    """A real Prometheus prints expressions in its own way; held against the files that it loaded, nothing differs."""
    files = {name: rule_text(name) for name in rule_names()}
    folder = tmp_path / "rules"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    config = json.dumps({"rule_files": list(files)})
    with start_prometheus(config, files, folder=tmp_path / "prometheus") as server:
        path = Bench(tmp_path).config(server.url, others="")
        path.write_text(json.dumps({**json.loads(path.read_text()), "rules": str(folder)}))
        (ran,) = Bench(tmp_path).run_all(("--config", str(path), "check", "--format", "json"))
    found = {item["name"]: item["result"] for item in ran.told["checks"] if item["area"] == "rules"}
    assert {name: found[name] for name in ("expected", "missing", "different", "extra")} == dict.fromkeys(
        ("expected", "missing", "different", "extra"), "passed"
    ), ran.out


def test_a_teams_signals_are_decided_by_what_the_server_has(scene: Scene, tmp_path: Path) -> None:
    """A definition before the catalogue's holds where its series are there; the panel, the detail and the doctor say which, and
    a team's panel, page and checklist ask by a signal that only the team has."""
    team = tmp_path / "team"
    (team / "signals.yaml").write_text(SIGNALS)
    (team / "panels" / "front.yaml").write_text(
        FRONT + "  - {id: sold, title: Sold, unit: count, raw: '${shop_sold}', warn: 1, critical: 9}\n"
    )
    (team / "pages" / "sold.md").write_text("---\ntitle: Sold\nsteps:\n  - {title: How much?, query: '${shop_sold}'}\n---\n")
    (team / "checklists" / "shop.yaml").write_text(
        "title: S\nitems:\n  - {id: sold, query: sold}\nqueries:\n  sold: {title: Q, expr: '${shop_sold}', unit: count}\n"
    )
    told = {**json.loads(scene.config.read_text()), "signals": "team/signals.yaml"}
    scene.config.write_text(json.dumps(told))
    config = ("--config", str(scene.config))
    status, doctor, page, checklist = scene.bench.run_all(
        (*config, "status", "--format", "json"),
        (*config, "doctor"),
        (*config, "runbook", "sold"),
        (*config, "checklist", "shop"),
    )
    panels = {item["id"]: item for item in status.told["panels"]}
    assert panels["queue_depth"]["value"] == 7 and "max(shop_orders_waiting)" in panels["queue_depth"]["query"]
    assert (panels["sold"]["value"], panels["sold"]["verdict"]) == (3, "warn")
    assert "what waits in the shop" in doctor.out
    assert f"{team}/signals.yaml:17: signals.wrong.definitions[0].expr: no such signal 'shop_sould', did you mean" in doctor.out
    assert "3" in page.out and "broken" not in page.out
    assert checklist.code == 0, checklist.out
