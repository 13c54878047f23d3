"""The platform's own words: whether it serves, its services, breakers, models, providers and vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from console.checks.platform_lines import PlatformLine, PlatformVerdict
from console.monitor.state_store import PLATFORM
from console.screens.base import ConsoleScreen, section
from console.screens.render_context import RenderContext
from console.screens.staleness import as_of
from queries.model.source import Health
from widgets.formatting import NO_ANSWER
from widgets.styled_text import VERDICT_TONES, Line, fit, text, wrap
from widgets.text_view import TextView

_WORD, _NAME = 9, 24


class PlatformScreen(ConsoleScreen):
    """What /health, /ready and the pages behind them say, the worst of it first, each line judged."""

    TITLE_WORDS = "Platform"
    ABOUT = (
        "What the platform says of itself at /ready and /health, and at the pages that only some builds have; those are read "
        "once a minute, and one that answers 404 is asked for again after an hour, for a new build, or with f5."
    )
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self) -> None:
        super().__init__()
        self._page = TextView(id="platform", focusable=True)
        self._page.add_class("grow")

    def body(self) -> Iterable[Widget]:
        yield self._page

    def draw(self, view: RenderContext) -> None:
        self._page.show(tuple(self._lines(view, self.size.width - 1)))

    def _lines(self, view: RenderContext, width: int) -> Iterator[Line]:
        state = view.snapshot.source(PLATFORM) if view.snapshot else None
        judged = view.snapshot.platform_verdict if view.snapshot else None
        yield section(f"Platform{as_of(view, PLATFORM)}", width)
        if state is not None and state.endpoint:
            yield (text(f" {state.endpoint}", "dim"),)
        if state is not None and state.fault is not None:
            yield from ((text(f" {words}", "critical"),) for words in wrap(text(state.fault.sentence())[0], width - 2))
        if judged is None:
            missing = "the platform's API is not configured: set CAD_ML_API_URL, or `platform` in config.yaml"
            unset = state is not None and state.health is Health.NOT_CONFIGURED
            yield ((f" {missing if unset else NO_ANSWER}", "dim"),)
            return
        yield from _trouble(judged, width)
        for title, lines in groupby(judged.lines, key=lambda line: line.section):
            yield section(title, width)
            for line in lines:
                yield from _line(line, width)


def _trouble(judged: PlatformVerdict, width: int) -> Iterator[Line]:
    """The whole in a sentence."""
    tone = VERDICT_TONES[judged.verdict]
    for at, words in enumerate(wrap(judged.reason, width - _WORD - 2)):
        yield ((f" {fit(judged.verdict.word if not at else '', _WORD)}", tone), (words, ""))


def _line(line: PlatformLine, width: int) -> Iterator[Line]:
    word = line.verdict.word if line.verdict else "-"
    tone = VERDICT_TONES[line.verdict] if line.verdict else "dim"
    for at, words in enumerate(wrap(line.text, width - _WORD - _NAME - 3)):
        name = fit(line.name if not at else "", _NAME)
        yield ((f" {fit(word if not at else '', _WORD)}", tone), (f"{name} ", ""), (words, "" if line.verdict else "dim"))
