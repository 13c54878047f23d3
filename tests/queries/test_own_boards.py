"""A team's own boards: what is right lives, what is wrong is named by file and line with what exists instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from queries.catalogue.own import OwnBoards, read_own_boards

BOARD = """title: Orders
about: What the shop sells.
panels:
  - id: orders_per_minute
    title: Orders
    unit: per_minute
    raw: 60 * sum(rate(shop_orders_total{namespace="$namespace"}[5m]))
    below: true
    warn: 10
    critical: 2
  - overview/error_ratio
"""
GOOD = """  - id: queue
    title: Queue
    unit: count
    raw: shop_queue
"""


def read(folder: Path, **files: str) -> OwnBoards:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return read_own_boards(tuple(str(folder / f"{name}.yaml") for name in files))


def test_a_file_with_a_title_is_a_board(tmp_path: Path) -> None:
    """Its panels stand in their order, with the console's where it names them, the namespace in its place, and their line."""
    own = read(tmp_path, orders=BOARD)
    assert (own.problems, own.boards()) == ((), (("orders", "Orders"),))
    board = own.dashboard("orders", namespace="shop")
    assert board is not None and board.about == "What the shop sells."
    assert [spec.id for spec in board.panels] == ["orders_per_minute", "error_ratio"]
    first = board.panels[0]
    assert 'namespace="shop"' in first.raw and first.place == "orders.yaml:4"
    assert "${" not in board.panels[1].raw
    assert own.overview(namespace="shop") == ()
    assert [spec.id for spec in own.panels] == ["orders_per_minute"]


def test_a_file_without_a_title_adds_to_the_overview(tmp_path: Path) -> None:
    """Its own panels, and those of a board that it names."""
    own = read(tmp_path, orders=BOARD, front=f"panels:\n{GOOD}  - orders/orders_per_minute\n")
    assert [spec.id for spec in own.overview(namespace="shop")] == ["queue", "orders_per_minute"]
    assert own.problems == () and own.boards() == (("orders", "Orders"),)


def test_a_panel_over_logs_keeps_its_query(tmp_path: Path) -> None:
    """LogQL is taken as it is written, but for the namespace and the provider."""
    query = 'sum(count_over_time({namespace="$namespace", provider=~"$provider"} |= "${x}" [5m]))'
    text = f"panels:\n  - {{id: errors, title: Errors, unit: count, source: loki, raw: '{query}'}}\n"
    own = read(tmp_path, shop=text.replace("${x}", "$x"))
    (spec,) = own.overview(namespace="shop")
    assert own.problems == () and spec.source == "loki"
    assert spec.raw == 'sum(count_over_time({namespace="shop"} |= "$x" [5m]))'


def panel(**told: str) -> str:
    given = {"id": "x", "title": "X", "unit": "count", "raw": "up", **told}
    return "panels:\n  -\n" + "".join(f"    {key}: {value}\n" for key, value in given.items() if value)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (panel(unit="euros"), 5, "panels[0].unit: no such unit 'euros', "),
        (panel(unit="percentage"), 5, "did you mean 'percent'? (expected one of percent, seconds,"),
        (panel(fold="mean"), 7, "no such fold 'mean', did you mean 'min'? (expected one of max, min, sum)"),
        (panel(warning="3"), 7, "panels[0].warning: unknown key, did you mean 'warn'?"),
        (panel(warn="high"), 7, "panels[0].warn: expected `float | null`, got `str`"),
        (panel(raw=""), 3, "expected the key 'raw'"),
        (panel(title=""), 3, "expected the key 'title' here"),
        (panel(raw="sum(${failurs[5m]})"), 6, "no such signal 'failurs', did you mean 'failures'?"),
        (panel(raw="sum(${failures})"), 6, "failures needs a window"),
        (panel(warn="5", critical="1"), 8, "large values are bad, so expected critical at or over warn 5, found 1"),
        (panel(below="true", warn="1", critical="5"), 9, "small values are bad, so expected critical at or under warn 1"),
        (panel(warn=".inf"), 7, "expected a finite number"),
        (panel(range="[5, 1]"), 7, "expected the lower end of the range below its upper end, found [5, 1]"),
        (panel(decimals="7"), 7, "from 0 to 6"),
        (panel(decimals="-1"), 7, "from 0 to 6"),
        (panel(source="kubernetes"), 7, "expected one of prometheus, loki, or no source"),
        (panel(source="loki", recorded="up"), 8, "recorded: expected no such key with source: loki"),
        (panel(source="loki", heat_map="latency"), 8, "heat_map: expected no such key with source: loki"),
        (panel(source="loki", raw=""), 3, "expected the key 'raw'"),
        (panel(source="loki", raw="sum(${failures[5m]})"), 6, "raw: expected LogQL: a signal is PromQL"),
        (panel(id="X-1"), 3, "expected lower-case letters, digits and underscores"),
        (panel(id="cpu"), 3, "cpu is a panel of the console already"),
        ("panels:\n  - 7\n", 2, "expected a panel, or BOARD/PANEL"),
        ("panels:\n  - overview/error_rato\n", 2, "did you mean 'overview/error_ratio'?"),
    ],
)
def test_a_wrong_panel_is_named_and_the_others_live(tmp_path: Path, text: str, line: int, words: str) -> None:
    """File, line, key and what exists instead; the panel stays in its place as one that nobody is asked for."""
    own = read(tmp_path, shop=text + GOOD)
    (problem,) = own.problems
    assert problem.startswith(f"{tmp_path}/shop.yaml:{line}: "), problem
    assert words in problem
    shown = own.overview(namespace="n")
    assert shown[-1].id == "queue" and not shown[-1].broken
    assert all(f"{tmp_path}/{spec.broken}" == problem and spec.source == "file" for spec in shown[:-1])
    assert not own.unreadable


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("panels: [\n", 2, "not YAML"),
        ("title: x\n", 1, "expected `panels`, a list of panels"),
        ("title: x\npanels: {a: b}\n", 2, "expected `panels`, a list of panels"),
        ("", 1, "expected `panels`"),
        ("panels: []\npanels: []\n", 2, "duplicate key"),
    ],
)
def test_a_file_that_is_no_board_is_named(tmp_path: Path, text: str, line: int, words: str) -> None:
    """Then it is not known which panels it would have defined; the other files live."""
    own = read(tmp_path, shop=text, orders=BOARD)
    (problem,) = own.problems
    assert problem.startswith(f"{tmp_path}/shop.yaml:{line}: ") and words in problem
    assert own.unreadable and own.boards() == (("orders", "Orders"),)


def test_names_are_given_once(tmp_path: Path) -> None:
    """A board that is called like another, and a panel that is there already, are refused with the place of the first."""
    own = read(tmp_path, orders=BOARD, slo_tracking=BOARD, more=f"panels:\n{GOOD}{GOOD}")
    assert own.problems == (
        f"{tmp_path}/slo_tracking.yaml: slo_tracking is a board of the console already: rename the file",
        f"{tmp_path}/more.yaml:6: panels[1].id: queue is the panel of {tmp_path}/more.yaml:2 already",
    )


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Bytes that are no text, and a file that went away."""
    (tmp_path / "x.yaml").write_bytes(b"panels: \xff")
    own = read_own_boards((str(tmp_path / "x.yaml"), str(tmp_path / "gone.yaml")))
    assert own.problems == (
        f"{tmp_path}/x.yaml: expected text in UTF-8",
        f"{tmp_path}/gone.yaml: cannot be read: No such file or directory",
    )


@pytest.mark.parametrize("decimals", ["0", "6"])
def test_up_to_six_decimals(tmp_path: Path, decimals: str) -> None:
    """None and six are both allowed."""
    own = read(tmp_path, shop=panel(decimals=decimals))
    assert own.problems == () and own.overview(namespace="n")[0].decimals == int(decimals)


@pytest.mark.parametrize(("size", "read_whole"), [(1 << 20, True), ((1 << 20) + 1, False)])
def test_a_file_of_a_mebibyte_is_read(tmp_path: Path, size: int, read_whole: bool) -> None:
    """A larger one is not opened."""
    text = f"panels:\n{GOOD}# "
    own = read(tmp_path, shop=text + "x" * (size - len(text)))
    assert bool(own.overview(namespace="n")) is read_whole
    assert any("larger than 1 MiB" in problem for problem in own.problems) is not read_whole
