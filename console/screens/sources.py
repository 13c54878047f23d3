"""Every source: what it answers, since when not, why, and what to try."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from console.journal.sync import SyncStatus
from console.screens.base import ConsoleScreen, section
from console.screens.header import health_words
from console.screens.render_context import RenderContext
from queries.model.panel import Origin
from queries.model.source import Health, SourceState
from queries.model.verdict import Verdict
from widgets.formatting import NO_ANSWER, VERDICT_WIDTH, format_age
from widgets.styled_text import VERDICT_TONES, Line, fit, text, wrap
from widgets.text_view import TextView


class SourcesScreen(ConsoleScreen):
    """A short doctor: sources, panels without data, and the paths in use."""

    TITLE_WORDS = "Sources"
    ABOUT = "Each source with its state, the age of its last good answer, and what to try. `cad-console doctor` says more."
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self) -> None:
        super().__init__()
        self._page = TextView(id="sources", focusable=True)
        self._page.add_class("grow")

    def body(self) -> Iterable[Widget]:
        yield self._page

    def draw(self, view: RenderContext) -> None:
        self._page.show(tuple(self._lines(view, self.size.width - 1)))

    def _lines(self, view: RenderContext, width: int) -> Iterable[Line]:
        yield section("Sources", width)
        if view.trouble:
            for words in wrap(text(view.trouble)[0], width - 2):
                yield ((f" {words}", "critical"),)
        if view.snapshot is None:
            yield ((f" {NO_ANSWER}", "dim"),)
        if view.settings.cluster_note:
            yield from ((text(f" {words}", "warn"),) for words in wrap(text(view.settings.cluster_note)[0], width - 2))
        for state in view.snapshot.sources if view.snapshot else ():
            yield from self._source(state, view, width)
        if view.session is not None and view.session.sharing is not None:
            yield from self._sharing(view.session.sharing, view, width)
        yield from self._left_out(view, width)
        yield from self._panels(view, width)
        yield section("Paths", width)
        paths = view.settings.paths
        for name in ("config_file", "journal_file", "log_file", "runbooks_dir", "state_dir", "cache_dir"):
            told = getattr(paths, name) or "none"
            yield (text(f" {name.replace('_', ' '):<14}", "dim"), text(told))
        session = view.session
        if session is not None and session.journal_fault:
            yield (text(f" no journal, so no actions: {session.journal_fault}", "critical"),)
        for sentence in session.file_warnings if session is not None else ():
            yield from (((f" {words}", "warn"),) for words in wrap(text(sentence)[0], width - 2))

    def _source(self, state: SourceState, view: RenderContext, width: int) -> Iterable[Line]:
        glyph, word, tone = health_words(state)
        parts = [f"not asked for {format_age(view.now - state.paused_at)}"] if state.paused_at is not None else []
        parts += [state.detail] if state.detail and state.detail != word else []
        if state.latency_seconds is not None:
            parts.append(f"{state.latency_seconds * 1000:.0f} ms")
        if state.last_good_at is not None:
            parts.append(f"last good answer {format_age(view.now - state.last_good_at)} ago")
        elif state.health is not Health.NOT_CONFIGURED:
            parts.append("never answered")
        yield (
            (f" {glyph} ", tone),
            text(fit(text(state.name)[0], 13) + " ", "strong"),
            (f"{word}  ", tone),
            text("  ".join(parts), "dim"),
        )
        if state.endpoint:
            yield (text(f"   {state.endpoint}", "dim"),)
        told = []
        if state.fault is not None:
            told.append(
                (state.fault.sentence(), "critical" if state.health in (Health.STALE, Health.DOWN, Health.DENIED) else "warn")
            )
        told += [(warning, "warn") for warning in state.warnings]
        for sentence, colour in told:
            for words in wrap(text(sentence)[0], width - 4):
                yield ((f"   {words}", colour),)

    def _sharing(self, sharing: SyncStatus, view: RenderContext, width: int) -> Iterable[Line]:
        """Where the journal is shared, since when not, and what to try."""
        yield section("Shared journal", width)
        known = "warn" if sharing.left_out else "ok"
        tone = "critical" if sharing.fault else known if sharing.last_good_at is not None else "dim"
        since = f" {format_age(view.now - sharing.since)}" if sharing.since is not None else ""
        yield ((f" {sharing.word}{since}", tone), text(f"  {sharing.store}", "dim"))
        events = f"{sharing.kept} {'event' if sharing.kept == 1 else 'events'}"
        kept = f"{events} will never be shared; `cad-console journal --unshared` says why"
        told = [(sharing.sentence(), tone if sharing.fault else ""), *((item, "warn") for item in sharing.warnings)]
        told += [(item, "warn") for item in sharing.left_out if item not in sharing.sentence()]
        told += [(kept, "dim")] if sharing.kept else []
        for sentence, colour in told:
            for words in wrap(text(sentence)[0], width - 4):
                yield ((f"   {words}", colour),)

    def _left_out(self, view: RenderContext, width: int) -> Iterable[Line]:
        """What is in this machine's journal and counts for nothing, and why."""
        left_out = view.snapshot.ledger.left_out if view.snapshot else None
        trouble = view.session.journal_trouble if view.session and view.session.journal else ""
        if not left_out and not trouble:
            return
        from console.journal.left_out import left_out_sentences  # noqa: PLC0415  # not before the first frame

        yield section("Journal", width)
        for sentence in (*filter(None, (trouble,)), *left_out_sentences(left_out or {})):
            for words in wrap(text(sentence)[0], width - 4):
                yield ((f"   {words}", "warn"),)

    def _panels(self, view: RenderContext, width: int) -> Iterable[Line]:
        panels = view.snapshot.panels if view.snapshot else ()
        if not panels:
            return
        recorded = sum(1 for item in panels if item.origin is Origin.RECORDED)
        raw = [item.spec.title for item in panels if item.origin is Origin.RAW]
        yield section("Panels", width)
        yield (text(f" {recorded} read a recording rule"),)
        if raw:
            for words in wrap(text(f"{len(raw)} fall back to the raw expression: {', '.join(raw)}")[0], width - 2):
                yield ((f" {words}", ""),)
        for item in panels:
            if item.verdict in (Verdict.NO_DATA, Verdict.IN_DOUBT):
                for at, words in enumerate(wrap(text(f"{item.spec.title}: {item.reason}")[0], width - VERDICT_WIDTH - 1)):
                    yield (
                        (f" {item.verdict.word if at == 0 else '':<{VERDICT_WIDTH}}", VERDICT_TONES[item.verdict]),
                        (words, ""),
                    )
