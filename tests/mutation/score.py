"""Count what became of mutants, a row a package, with moved boundaries counted apart."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class Outcome(enum.Enum):
    KILLED = "killed"
    SURVIVED = "SURVIVED"
    EQUIVALENT = "equivalent"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one mutant; `test` is the one that noticed it."""

    boundary: bool
    outcome: Outcome
    text: str
    test: str = ""


class Described(Protocol):
    path: str
    function: str
    first: int
    before: str
    after: str


def describe(mutant: Described, why: str) -> str:
    before, after = (" ".join(text.split()) for text in (mutant.before, mutant.after))
    return f"{mutant.path}:{mutant.first} {mutant.function}: {before} → {after} ({why})"


def table(rows: Mapping[str, Sequence[Result]]) -> str:
    """A Markdown table; a share is of the mutants that are not equivalent, and boundaries are among the mutants as well."""
    lines = [
        "| package | mutants | killed | survived | equivalent | boundaries killed |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [_row(name, results) for name, results in rows.items()]
    lines.append(_row("all", [result for results in rows.values() for result in results]))
    return "\n".join(lines)


def _row(name: str, results: Sequence[Result]) -> str:
    survived, equivalent = (sum(item.outcome is kind for item in results) for kind in (Outcome.SURVIVED, Outcome.EQUIVALENT))
    boundaries = [item for item in results if item.boundary]
    cells = (name, str(len(results)), _share(results), str(survived), str(equivalent), _share(boundaries))
    return f"| {' | '.join(cells)} |"


def _share(results: Sequence[Result]) -> str:
    of = [item for item in results if item.outcome is not Outcome.EQUIVALENT]
    killed = sum(item.outcome is Outcome.KILLED for item in of)
    return f"{killed}/{len(of)} ({killed / len(of):.0%})" if of else "–"
