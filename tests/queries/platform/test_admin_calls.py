"""The data of the platform's calls: a mistake is refused by file and line, and a text's calls are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from queries.catalogue.exported import load_exported
from queries.platform.admin_calls import read_admin_calls
from queries.promql.syntax import parse_promql

GOOD = """calls:
  shop-flush:
    title: Flush the shop
    about: empties the shop
    method: POST
    path: /api/v1/shop/flush
    parameters:
      - {name: deep, in: query, kind: flag, about: also below}
    state: {path: /api/v1/shop, fields: [deep], becomes: {deep: deep}}
    moves:
      - {query: sum(shop_total), expect: rises}
    undo: {call: shop-flush, parameters: {deep: deep}}
"""


def test_a_teams_call_stands_beside_ours(tmp_path: Path) -> None:
    """Its own id is added, ours stay, and an id of ours is replaced."""
    own = tmp_path / "own.yaml"
    own.write_text(GOOD + GOOD.partition("\n")[2].replace("shop-flush", "faiss-recover"))
    found = read_admin_calls((str(own),))
    assert found.problems == ()
    assert found.calls["shop-flush"].parameters[0].place == "query"
    assert found.calls["faiss-recover"].title == "Flush the shop"
    assert "cache-apply" in found.calls


@pytest.mark.parametrize(
    ("old", "new", "line", "why"),
    [
        ("method: POST", "method: HEAD", 5, "enum"),
        ("path: /api/v1/shop/flush", "path: https://else/x", 6, "expected a path below the platform's URL"),
        ("path: /api/v1/shop/flush", "path: /api/../x", 6, "expected a path"),
        ("path: /api/v1/shop/flush", "path: /api/v1/x?y=1", 6, "without a query"),
        ("title: Flush the shop", "titel: Flush", 3, "unknown key"),
        ("    title: Flush the shop\n", "", 2, "expected the key 'title'"),
        ("in: query, kind: flag", "in: header, kind: flag", 8, "enum"),
        ("becomes: {deep: deep}", "becomes: {deep: shallow}", 9, "has no parameter 'shallow'"),
        ("becomes: {deep: deep}", "becomes: {broad: deep}", 9, "expected one of the fields"),
        ("query: sum(shop_total)", "query: sum(", 11, "not PromQL"),
        ("call: shop-flush", "call: shop-fill", 12, "there is no call 'shop-fill'"),
        ("parameters: {deep: deep}}", "parameters: {wide: deep}}", 12, "shop-flush has no parameter 'wide'"),
        ("parameters: {deep: deep}}", "parameters: {deep: broad}}", 12, "expected a field of `state`"),
        ("undo: {call: shop-flush, parameters: {deep: deep}}", "undo: {}", 12, "expected either `call`"),
        ("shop-flush:", "Shop_Flush:", 2, "expected an id"),
        ("calls:", "call:", 1, "a mapping of calls by id"),
    ],
)
def test_a_mistake_is_refused_by_file_and_line(tmp_path: Path, old: str, new: str, line: int, why: str) -> None:
    """The sentence has file, line and key; the call is left out, and ours stay."""
    assert GOOD.count(old) == 1
    own = tmp_path / "own.yaml"
    own.write_text(GOOD.replace(old, new))
    found = read_admin_calls((str(own),))
    (problem,) = found.problems
    assert problem.startswith(f"{own}:{line}:") and why in problem
    assert "shop-flush" not in found.calls and "faiss-recover" in found.calls


def test_every_metric_that_ours_move_is_exported() -> None:
    """A signal that no build exports could prove nothing."""
    exported = load_exported()
    calls = read_admin_calls().calls
    moves = [move for call in calls.values() for move in call.moves]
    assert moves and read_admin_calls().problems == ()
    for move in moves:
        name = move.query.partition("(")[2].partition("{")[0].rstrip(")")
        assert parse_promql(move.query) and name in exported, move.query


def test_the_calls_that_a_text_names_are_found() -> None:
    """Method and path on one line, under either prefix; another method, a longer path and prose are none."""
    text = (
        "curl -XPOST -H 'X-API-Key: …' https://cad.example.com/api/v1/features/cache/apply\n"
        "`POST /health/faiss/recover`, then DELETE ${URL}/api/v1/maintenance/orphans?dry_run=true\n"
        "GET /api/v1/v16-classifier/speed-mode shows the mode\n"
        "POST /api/v1/maintenance/vectors/backend/reload and POST /api/v1/drift/reset-all\n"
    )
    found = [call.id for call in read_admin_calls().find_in(text)]
    assert found == ["cache-apply", "faiss-recover", "orphans-clean", "vectors-reopen"]
    assert read_admin_calls().find_in("recover it as the page says") == ()
