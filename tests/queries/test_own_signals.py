"""A team's own signals: before the catalogue's where they define the same, and named by file and line where they are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from queries.catalogue.own import read_own_boards
from queries.catalogue.own_signals import OwnSignals, read_own_signals
from queries.catalogue.signals import expand_signals, load_catalogue_signals

ORDERS = """signals:
  orders:
    about: What the shop sold.
    unit: per_second
    definitions:
      - id: counter
        says: orders that were paid
        expr: sum(rate(shop_orders_total{state="paid"}[$window]))
        needs: {metric: shop_orders_total, labels: {state: [paid]}}
"""
QUEUE = """signals:
  queue_depth:
    definitions:
      - id: shop
        says: what waits in the shop's queue
        expr: max(shop_queue)
        needs: {metric: shop_queue}
"""


def read(folder: Path, **files: str) -> OwnSignals:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return read_own_signals(tuple(str(folder / f"{name}.yaml") for name in files))


def test_a_new_signal_and_a_definition_before_the_catalogues(tmp_path: Path) -> None:
    """Both are there beside all others; what the catalogue says of the signal stays, its definitions behind the team's."""
    own = read(tmp_path, orders=ORDERS, queue=QUEUE)
    assert (own.problems, own.names) == ((), ("orders", "queue_depth"))
    known = load_catalogue_signals()
    assert set(own.signals) == {*known, "orders"}
    assert own.signals["queue_depth"].definitions[1:] == known["queue_depth"].definitions
    assert own.signals["queue_depth"].definitions[0].expression == "max(shop_queue)"
    assert own.signals["queue_depth"].unit is known["queue_depth"].unit
    assert read_own_signals(()).signals == known


def test_a_panel_may_ask_by_a_teams_signal(tmp_path: Path) -> None:
    """And is refused where the signal is nobody's."""
    read(tmp_path, orders=ORDERS)
    (tmp_path / "board.yaml").write_text(
        "panels:\n  - {id: sold, title: Sold, unit: per_second, raw: '${orders[5m]}'}\n"
        "  - {id: odd, title: Odd, unit: per_second, raw: '${order[5m]}'}\n"
    )
    files = (str(tmp_path / "board.yaml"),)
    own = read_own_boards(files, (str(tmp_path / "orders.yaml"),))
    sold, odd = own.files[0].panels
    assert 'rate(shop_orders_total{state="paid"}[5m])' in sold.raw and sold.template == "${orders[5m]}"
    assert "board.yaml:3: panels[1].raw: no such signal 'order', did you mean 'orders'?" in odd.broken
    assert "no such signal 'orders'" in read_own_boards(files).problems[0]


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("unit: per_second", "unit: euros", 4, "signals.orders.unit: no such unit 'euros', "),
        ("says:", "say:", 7, "signals.orders.definitions[0].say: unknown key, did you mean 'says'?"),
        ("metric:", "metrc:", 9, "definitions[0].needs.metrc: unknown key, did you mean 'metric'?"),
        ("    about: What the shop sold.\n", "", 2, "signals.orders: the signal orders is new and lacks `about`"),
        (
            "rate(shop_orders_total",
            "(${order_rate[5m]} + rate(x",
            8,
            "definitions[0].expr: no such signal 'order_rate', did you",
        ),
        ("sum(rate(shop_orders_total", "(${orders[5m]} + (rate(x", 2, "the signal orders references itself"),
        ("  orders:", "  Orders:", 2, "signals.Orders: expected a name of lower-case letters, digits and underscores"),
        ("definitions:\n", "definitions: []\n    x:\n", 6, "signals.orders.x: unknown key, "),
        ("signals:", "signal:", 1, "expected `signals`, a mapping of signals by name"),
    ],
)
def test_a_wrong_signal_is_named_and_the_others_live(tmp_path: Path, old: str, new: str, line: int, words: str) -> None:
    """File, line, key and what exists instead."""
    own = read(tmp_path, orders=ORDERS.replace(old, new), queue=QUEUE)
    (problem,) = own.problems
    assert problem.startswith(f"{tmp_path}/orders.yaml:{line}: "), problem
    assert words in problem
    assert own.names == ("queue_depth",) and "orders" not in own.signals


def test_a_wrong_definition_leaves_the_catalogues_signal(tmp_path: Path) -> None:
    """Another unit than the catalogue's, or a signal that nobody has: the signal is what it is without the file."""
    for text in (
        QUEUE.replace("    definitions", "    unit: seconds\n    definitions"),
        QUEUE.replace("max(", "max(${gone} + "),
    ):
        own = read(tmp_path, queue=text)
        read_own_signals.cache_clear()
        assert own.signals == load_catalogue_signals() and len(own.problems) == 1, own.problems


def test_what_is_made_of_a_wrong_signal_is_left_out_too(tmp_path: Path) -> None:
    """Each is named; nothing that remains asks for what does not exist."""
    more = ORDERS.replace("orders:", "income:").replace("sum(rate(shop_orders_total", "(${orders[5m]} * (rate(x")
    own = read(tmp_path, income=more, orders=ORDERS.replace("sum(rate(shop_orders_total", "(${gone[5m]} * (rate(x"))
    assert own.names == () and len(own.problems) == 2
    for name in own.signals:
        expand_signals(f"${{{name}[5m]}}", signals=own.signals)
