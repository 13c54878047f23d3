"""The count of `make mutation`: equivalent mutants and moved boundaries are counted apart."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

PATH = Path(__file__).with_name("score.py")
SPEC = importlib.util.spec_from_file_location("mutation_score", PATH)
assert SPEC is not None and SPEC.loader is not None
score = importlib.util.module_from_spec(SPEC)
sys.modules["mutation_score"] = score  # dataclasses look their module up
SPEC.loader.exec_module(score)
KILLED, SURVIVED, EQUIVALENT = score.Outcome


def test_a_row_a_package_and_one_for_all() -> None:
    """A share is of the mutants that a test could notice; a package without boundaries has none killed and none missed."""
    one = [score.Result(True, KILLED, ""), score.Result(True, SURVIVED, ""), score.Result(False, EQUIVALENT, "")]
    other = [score.Result(False, KILLED, ""), score.Result(False, KILLED, "")]
    assert score.table({"console/checks": one, "widgets": other}).splitlines()[2:] == [
        "| console/checks | 3 | 1/2 (50%) | 1 | 1 | 1/2 (50%) |",
        "| widgets | 2 | 2/2 (100%) | 0 | 0 | – |",
        "| all | 5 | 3/4 (75%) | 1 | 1 | 1/2 (50%) |",
    ]
