"""Compares `rules lint` with pint on folders of rules: what both find, what one alone finds, and what of it is false.

    python tests/bench/lint_table.py --pint /path/to/pint kube-prometheus=DIR awesome-prometheus-alerts=DIR mixins=DIR

Files of one folder are looked at together, as one server loads them. Whether what only one of the two says is true is for
people to say: the verdicts stand in docs/lint.md, and a finding without one is listed. `--write` puts the table there.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from console.cli.main import main as console
from console.lint.tools import Tools, run_tools
from queries.promql.rule_files import RuleFile, read_rules

PAGE = Path(__file__).resolve().parents[2] / "docs" / "lint.md"
BEGIN, END = "<!-- table: make it with tests/bench/lint_table.py -->", "<!-- end of the table -->"
KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "a template shows a label that the expression drops": (("alerts/template",), ("template-label",)),
    "an alert without a condition": (("alerts/comparison",), ("no-condition", "bool-condition", "never-true")),
    "a join or selection that cannot match": (
        ("promql/impossible", "promql/vector_matching"), ("join-never-matches", "label-not-carried", "many-to-one"),
    ),
    "a rate, counter or gauge used wrongly": (
        ("promql/rate", "promql/counter"), ("rate-of-gauge", "rate-of-sum", "counter-without-rate", "range-too-short"),
    ),
    "one name or expression twice": (("rule/duplicate",), ("duplicate-name", "same-expression")),
    "a sum that is empty with one of its terms": ((), ("empty-sum",)),
    "a description that states another window": ((), ("window-differs",)),
    "a percentage written as a ratio, or the reverse": ((), ("percent-as-ratio",)),
    "a rate per second shown as a percentage or a count": ((), ("rate-as-count",)),
    "a sum that counts a request at its start and at its end": ((), ("counted-twice",)),
    "a placeholder or an unexpanded variable": ((), ("placeholder-host", "unexpanded-variable")),
    "a file that Prometheus refuses": (
        ("promql/syntax", "yaml/parse"), ("bad-promql", "no-rule-file", "unknown-field", "name-in-quotes", "promtool"),
    ),
}  # fmt: skip
"""Each kind of fault: pint's checks, and the console's traps."""
ADVICE = "advice on style, which nobody judges"
_ADVICE = ("promql/regexp", "promql/fragile", "rule/dependency", "alerts/for", "missing-for")
HOUSE = ("runbook-", "metric-unknown", "metric-not-exported")
"""Traps about the house's own runbooks and exporter, which another house's rules cannot have."""


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """One rule with a fault of one kind."""

    kind: str
    file: str
    rule: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a person says of rules with a fault of one kind; names may hold `*`."""

    rules: str
    kind: str
    name: str
    said_by: str
    true: bool


def kind_of(word: str) -> str:
    """The kind of one of pint's checks or of the console's traps; the word itself where it is none of them."""
    if word in _ADVICE:
        return ADVICE
    return next((kind for kind, sides in KINDS.items() if word in (*sides[0], *sides[1])), word)


def findings_of_console(files: Iterable[Path]) -> Iterator[tuple[str, str, str]]:
    """File, rule and trap of everything that `rules lint` itself says; no other program is on PATH."""
    output = io.StringIO()
    path, os.environ["PATH"] = os.environ["PATH"], ""
    try:
        with contextlib.redirect_stdout(output):
            console(["rules", "lint", "--format", "json", *map(str, files)])
    finally:
        os.environ["PATH"] = path
    for item in json.loads(output.getvalue())["findings"]:
        if not item["trap"].startswith(HOUSE):
            yield item["file"], item["rule"], item["trap"]


def findings_of_pint(files: list[RuleFile], pint: str) -> Iterator[tuple[str, str, str]]:
    """File, rule and check of everything that pint says, its advice on style apart."""
    with run_tools(files, Tools(pint=pint)) as told:
        for item in told():
            yield item.file, item.rule, item.text.partition(":")[0]


def compare(folder: Path, pint: str) -> tuple[int, set[Found], set[Found]]:
    """How many rules a folder has, and what the console and pint say of them."""
    together: dict[Path, list[Path]] = defaultdict(list)
    for path in sorted([*folder.rglob("*.yaml"), *folder.rglob("*.yml")]):
        together[path.parent].append(path)
    count = 0
    ours: set[Found] = set()
    theirs: set[Found] = set()
    for paths in together.values():
        read = [read_rules(path.read_text(encoding="utf-8"), path=str(path)) for path in paths]
        files = [file for file in read if file.rules]
        if not files:
            continue
        count += sum(len(file.rules) for file in files)
        sides = ((ours, findings_of_console(Path(file.path) for file in files)), (theirs, findings_of_pint(files, pint)))
        for side, found in sides:
            side |= {Found(kind_of(word), str(Path(file).relative_to(folder)), rule) for file, rule, word in found}
    return count, ours, theirs


def verdicts(text: str) -> Iterator[Verdict]:
    """The rows of the page's table of verdicts."""
    for line in text.splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
        if len(cells) == 6 and cells[3] in ("console", "pint") and cells[4] in ("true", "false"):
            for name in cells[2].split(", "):
                yield Verdict(cells[0], cells[1], name.strip("`"), cells[3], cells[4] == "true")


def judge(
    found: Iterable[Found], rules: str, said_by: str, known: Iterable[Verdict]
) -> tuple[Counter[str], list[Found], Counter[str]]:
    """True and false ones by kind, and those without a verdict."""
    true: Counter[str] = Counter()
    false: Counter[str] = Counter()
    open_: list[Found] = []
    listed = [item for item in known if (item.rules, item.said_by) == (rules, said_by)]
    for one in sorted(found):
        if one.kind == ADVICE:
            true[ADVICE] += 1
            continue
        said = next((item for item in listed if item.kind == one.kind and fnmatchcase(one.rule, item.name)), None)
        if said is None:
            open_.append(one)
        else:
            (true if said.true else false)[one.kind] += 1
    return true, open_, false


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", metavar="NAME=DIR")
    parser.add_argument("--pint", required=True, metavar="PROGRAM")
    parser.add_argument("--write", action="store_true", help="put the table into docs/lint.md")
    chosen = parser.parse_args()
    page = PAGE.read_text(encoding="utf-8")
    known = tuple(verdicts(page))
    rows = ["| set | kind | both | console alone | pint alone | console's false alarms | pint's false alarms |"]
    rows.append("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    unjudged = 0
    for name, _, folder in (item.partition("=") for item in chosen.sets):
        count, ours, theirs = compare(Path(folder), chosen.pint)
        both = Counter(item.kind for item in ours & theirs)
        mine, mine_open, mine_false = judge(ours - theirs, name, "console", known)
        other, other_open, other_false = judge(theirs - ours, name, "pint", known)
        for said_by, listed in (("console", mine_open), ("pint", other_open)):
            unjudged += len(listed)
            for one in listed:
                print(f"no verdict: | {name} | {one.kind} | {one.rule} | {said_by} | ({one.file})", file=sys.stderr)
        for kind in dict.fromkeys((*KINDS, *both, *mine, *other, *mine_false, *other_false)):
            numbers = [side[kind] for side in (both, mine, other, mine_false, other_false)]
            if any(numbers):
                rows.append(f"| {name} ({count} rules) | {kind} | {' | '.join(map(str, numbers))} |")
    table = "\n".join(rows)
    print(table)
    if chosen.write and not unjudged:
        head, _, rest = page.partition(BEGIN)
        PAGE.write_text(f"{head}{BEGIN}\n\n{table}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    return 1 if unjudged else 0


if __name__ == "__main__":
    sys.exit(main())
