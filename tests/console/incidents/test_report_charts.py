"""What people and consoles did, as marks on the charts of a report."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from report_samples import INCIDENT, T

from console.incidents.report_charts import build_timeline_marks
from console.state.incident import Incident, Source, Step, StepCompletion, TimelineEntry

BARE = replace(INCIDENT, detected_at=None, closed_at=None, completions=MappingProxyType({}), entries=(), title="T")


def marks(incident: Incident) -> list[tuple[float, str, str, str]]:
    return [(item.at, item.letter, item.kind, item.text) for item in build_timeline_marks(incident)]


def test_only_what_happened_is_marked() -> None:
    """An incident that was only declared has one mark; a detection and an end at the very beginning of time count too."""
    assert marks(BARE) == [(T, "I", "incident declared", "T")]
    found = marks(replace(BARE, detected_at=0.0, closed_at=0.5, closed_by="bob\x1b[31m"))
    assert found[0] == (0.0, "F", "first alert", "the first alert started")
    assert found[1][:3] == (0.5, "C", "closed") and found[1][3].startswith("by bob") and "\x1b" not in found[1][3]
    assert len(found) == 3


def test_each_step_has_its_letter() -> None:
    """Two at once are in the order of their letters; a step without a letter has no mark."""
    steps = [(step, StepCompletion(T + 1.0, f"p{at}")) for at, step in enumerate(Step)]
    found = marks(replace(BARE, completions=MappingProxyType(dict(steps))))
    by_letter = {letter: (kind, text) for _, letter, kind, text in found}
    authors = {step: f"by p{at}" for at, step in enumerate(Step)}
    named = {
        "K": ("acknowledged", authors[Step.ACKNOWLEDGE]),
        "S": ("assessed", authors[Step.ASSESS]),
        "U": ("update out", authors[Step.COMMUNICATE]),
        "M": ("mitigated", authors[Step.MITIGATE]),
        "E": ("ended", authors[Step.RESOLVE]),
    }
    assert by_letter == {"I": ("incident declared", "T"), **named} and len(found) == 6
    assert [letter for _, letter, _, _ in found] == ["I", "E", "K", "M", "S", "U"]


def entry(at: float, source: Source) -> TimelineEntry:
    return TimelineEntry(T + at, source, "bob", f"Scale {at:g}", f"e{at}", T + at)


def test_the_first_twenty_actions() -> None:
    """Of the console's own entries; the twenty-first has no mark, and nobody else's entry has one."""
    listed = tuple(entry(float(at), Source.CONSOLE) for at in range(1, 22))
    others = tuple(entry(0.5, source) for source in Source if source is not Source.CONSOLE)
    found = [
        (at, text)
        for at, letter, kind, text in marks(replace(BARE, entries=(*others, *listed)))
        if (letter, kind) == ("A", "action")
    ]
    assert found == [(T + at, f"Scale {at}") for at in range(1, 21)] and others
