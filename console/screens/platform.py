"""The platform's own status: readiness, services, circuit breakers, models, providers and vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from console.checks.platform_lines import PlatformLine, PlatformVerdict
from console.monitor.source_results import PLATFORM
from console.screens.base import ConsoleScreen, section
from console.screens.render_context import RenderContext
from console.screens.staleness import as_of_suffix
from queries.model.source import Health
from widgets.formatting import NO_ANSWER
from widgets.styled_text import VERDICT_TONES, Line, fit, text, wrap
from widgets.text_view import TextView

_WORD, _NAME = 9, 24


class PlatformScreen(ConsoleScreen):
    """The responses of /health, /ready and the endpoints behind them, worst first, each line with a verdict."""

    SCREEN_TITLE = "Platform"
    HELP_TEXT = (
        "The platform's own status from /ready and /health, and from endpoints that only some builds have: these are polled "
        "once a minute; one that returned 404 is retried after an hour, after a new build, or on f5."
    )
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self) -> None:
        super().__init__()
        self._page = TextView(id="platform", focusable=True)
        self._page.add_class("grow")

    def body(self) -> Iterable[Widget]:
        yield self._page

    def draw(self, context: RenderContext) -> None:
        self._page.show(tuple(self._lines(context, self.size.width - 1)))

    def _lines(self, context: RenderContext, width: int) -> Iterator[Line]:
        state = context.snapshot.source(PLATFORM) if context.snapshot else None
        verdict = context.snapshot.platform_verdict if context.snapshot else None
        yield section(f"Platform{as_of_suffix(context, PLATFORM)}", width)
        if state is not None and state.endpoint:
            yield (text(f" {state.endpoint}", "dim"),)
        if state is not None and state.fault is not None:
            yield from ((text(f" {part}", "critical"),) for part in wrap(text(state.fault.sentence())[0], width - 2))
        if verdict is None:
            missing = "the platform's API is not configured: set CAD_ML_API_URL, or `platform` in config.yaml"
            unconfigured = state is not None and state.health is Health.NOT_CONFIGURED
            if state is None or state.health is not Health.NOT_KNOWN_THEN:
                yield ((f" {missing if unconfigured else NO_ANSWER}", "dim"),)
            return
        yield from _render_summary(verdict, width)
        for title, lines in groupby(verdict.lines, key=lambda line: line.section):
            yield section(title, width)
            for line in lines:
                yield from _line(line, width)


def _render_summary(verdict: PlatformVerdict, width: int) -> Iterator[Line]:
    """The overall verdict with its reason."""
    tone = VERDICT_TONES[verdict.verdict]
    for at, part in enumerate(wrap(verdict.reason, width - _WORD - 2)):
        yield ((f" {fit(verdict.verdict.word if not at else '', _WORD)}", tone), (part, ""))


def _line(line: PlatformLine, width: int) -> Iterator[Line]:
    word = line.verdict.word if line.verdict else "-"
    tone = VERDICT_TONES[line.verdict] if line.verdict else "dim"
    for at, part in enumerate(wrap(line.text, width - _WORD - _NAME - 3)):
        name = fit(line.name if not at else "", _NAME)
        yield ((f" {fit(word if not at else '', _WORD)}", tone), (f"{name} ", ""), (part, "" if line.verdict else "dim"))
