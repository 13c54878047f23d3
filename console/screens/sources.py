"""Every source: its state, since when and why it fails, and what to try."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from console.checks.identity import list_identity_facts
from console.journal.sync import SyncStatus
from console.screens.base import ConsoleScreen, section
from console.screens.header import health_label
from console.screens.render_context import RenderContext
from queries.errors import SourceError
from queries.model.panel import Origin
from queries.model.source import Health, SourceState
from queries.model.verdict import Verdict
from queries.text.durations import format_age, format_duration
from widgets.formatting import NO_ANSWER, VERDICT_WIDTH
from widgets.styled_text import VERDICT_TONES, Line, fit, text, wrap
from widgets.text_view import TextView

if TYPE_CHECKING:
    from queries.kubernetes.client import Kubernetes


class SourcesScreen(ConsoleScreen):
    """A short `doctor`: sources, panels without data, and the paths in use."""

    SCREEN_TITLE = "Sources"
    HELP_TEXT = "Each source with its state, its last good response, and what to try. `cad-console doctor` has more."
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self) -> None:
        super().__init__()
        self._identity_requested = False
        self._identity_error = ""
        self._page = TextView(id="sources", focusable=True)
        self._page.add_class("grow")

    def body(self) -> Iterable[Widget]:
        yield self._page

    def draw(self, context: RenderContext) -> None:
        self._page.show(tuple(self._lines(context, self.size.width - 1)))

    def _lines(self, context: RenderContext, width: int) -> Iterable[Line]:
        yield section("Sources", width)
        if context.error:
            for part in wrap(text(context.error)[0], width - 2):
                yield ((f" {part}", "critical"),)
        if context.snapshot is None:
            yield ((f" {NO_ANSWER}", "dim"),)
        if context.settings.cluster_note:
            yield from ((text(f" {part}", "warn"),) for part in wrap(text(context.settings.cluster_note)[0], width - 2))
        for state in context.snapshot.sources if context.snapshot else ():
            yield from self._render_source(state, context, width)
        yield from self._render_identity(context, width)
        if context.session is not None and context.session.sharing is not None:
            yield from self._render_sync(context.session.sharing, context, width)
        yield from self._render_left_out(context, width)
        yield from self._render_recorder(context, width)
        yield from self._render_panels(context, width)
        yield section("Paths", width)
        paths = context.settings.paths
        for name in ("config_file", "journal_file", "log_file", "runbooks_dir", "state_dir", "cache_dir"):
            path = getattr(paths, name) or "none"
            yield (text(f" {name.replace('_', ' '):<14}", "dim"), text(path))
        session = context.session
        if session is not None and session.journal_fault:
            yield (text(f" no journal, so no actions: {session.journal_fault}", "critical"),)
        for sentence in session.file_warnings if session is not None else ():
            yield from (((f" {part}", "warn"),) for part in wrap(text(sentence)[0], width - 2))

    def _render_source(self, state: SourceState, context: RenderContext, width: int) -> Iterable[Line]:
        glyph, word, tone = health_label(state)
        parts = [f"not polled for {format_age(context.now - state.paused_at)}"] if state.paused_at is not None else []
        parts += [state.detail] if state.detail and state.detail != word else []
        if state.latency_seconds is not None:
            parts.append(format_duration(state.latency_seconds))
        if state.last_good_at is not None:
            parts.append(f"last good response {format_age(context.now - state.last_good_at)} ago")
        elif state.health not in (Health.NOT_CONFIGURED, Health.NOT_KNOWN_THEN):
            parts.append("no response so far")
        yield (
            (f" {glyph} ", tone),
            text(fit(text(state.name)[0], 13) + " ", "strong"),
            (f"{word}  ", tone),
            text("  ".join(parts), "dim"),
        )
        if state.endpoint:
            yield (text(f"   {state.endpoint}", "dim"),)
        sentences = []
        if state.fault is not None:
            sentences.append(
                (state.fault.sentence(), "critical" if state.health in (Health.STALE, Health.DOWN, Health.DENIED) else "warn")
            )
        sentences += [(warning, "warn") for warning in state.warnings]
        for sentence, sentence_tone in sentences:
            for part in wrap(text(sentence)[0], width - 4):
                yield ((f"   {part}", sentence_tone),)

    def _render_identity(self, context: RenderContext, width: int) -> Iterable[Line]:
        """Cluster and identity with their origins; the API server's part is fetched once, when this screen is first drawn."""
        kubernetes = context.session.kubernetes if context.session else None
        if kubernetes is None:
            return
        yield section("Cluster", width)
        if not self._identity_requested:
            self._identity_requested = True
            self.run_worker(self._fetch_identity(kubernetes), "fetching the identity", "identity")
        error = self._identity_error or self.worker_errors.get("identity", "")
        for fact in list_identity_facts(context.settings, kubernetes.known_identity, error):
            tone = "warn" if error and fact.value == error else ""
            value, origin = text(fact.value)[0], text(fact.origin)[0]
            parts = wrap(value, width - 16)
            beside = len(parts[-1]) + len(origin) + 18 <= width
            for at, part in enumerate(parts):
                own = (f"  {origin}", "dim") if beside and origin and at == len(parts) - 1 else ("", "")
                yield ((f" {fact.name if at == 0 else '':<14}", "dim"), (part, tone), own)
            if origin and not beside:
                yield from (((" " * 15 + part, "dim"),) for part in wrap(origin, width - 16))

    async def _fetch_identity(self, kubernetes: Kubernetes) -> None:
        from queries.kubernetes.identity import fetch_identity  # noqa: PLC0415  # not before the first frame

        try:
            await fetch_identity(kubernetes)
        except SourceError as error:  # shown in place of the identity
            self._identity_error = error.fault.sentence()
        if self.context is not None:
            self.draw(self.context)

    def _render_sync(self, sync: SyncStatus, context: RenderContext, width: int) -> Iterable[Line]:
        """Where the journal is shared, since when that fails, and what to try."""
        yield section("Shared journal", width)
        healthy_tone = "warn" if sync.left_out else "ok"
        tone = "critical" if sync.fault else healthy_tone if sync.last_good_at is not None else "dim"
        since = f" {format_age(context.now - sync.since)}" if sync.since is not None else ""
        yield ((f" {sync.word}{since}", tone), text(f"  {sync.store}", "dim"))
        events = f"{sync.kept} {'event' if sync.kept == 1 else 'events'}"
        local_note = f"{events} will never be shared; `cad-console journal --unshared` says why"
        sentences = [(sync.sentence(), tone if sync.fault else ""), *((item, "warn") for item in sync.warnings)]
        sentences += [(item, "warn") for item in sync.left_out if item not in sync.sentence()]
        sentences += [(local_note, "dim")] if sync.kept else []
        for sentence, sentence_tone in sentences:
            for part in wrap(text(sentence)[0], width - 4):
                yield ((f"   {part}", sentence_tone),)

    def _render_left_out(self, context: RenderContext, width: int) -> Iterable[Line]:
        """Events of the local journal that are ignored, and why."""
        left_out = context.snapshot.ledger.left_out if context.snapshot else None
        error = context.session.journal_error if context.session and context.session.journal else ""
        if not left_out and not error:
            return
        from console.journal.left_out import left_out_sentences  # noqa: PLC0415  # not before the first frame

        yield section("Journal", width)
        for sentence in (*filter(None, (error,)), *left_out_sentences(left_out or {})):
            for part in wrap(text(sentence)[0], width - 4):
                yield ((f"   {part}", "warn"),)

    def _render_recorder(self, context: RenderContext, width: int) -> Iterable[Line]:
        """Whether this console records, where to, and why not."""
        status = context.session.recorder if context.session is not None else None
        if status is None:
            return
        yield section("Recorder", width)
        yield ((f" {status.state}", "critical" if status.error else ""), text(f"  {status.folder}", "dim"))
        for sentence, tone in ((status.error, "critical"), (status.note, "warn")):
            for part in wrap(text(sentence)[0], width - 4) if sentence else ():
                yield ((f"   {part}", tone),)

    def _render_panels(self, context: RenderContext, width: int) -> Iterable[Line]:
        panels = context.snapshot.panels if context.snapshot else ()
        if not panels:
            return
        recorded = sum(1 for item in panels if item.origin is Origin.RECORDED)
        raw = [item.spec.title for item in panels if item.origin is Origin.RAW]
        yield section("Panels", width)
        yield (text(f" {recorded} use a recording rule"),)
        if raw:
            for part in wrap(text(f"{len(raw)} fall back to the raw expression: {', '.join(raw)}")[0], width - 2):
                yield ((f" {part}", ""),)
        for item in panels:
            if item.verdict in (Verdict.NO_DATA, Verdict.IN_DOUBT):
                for at, part in enumerate(wrap(text(f"{item.spec.title}: {item.reason}")[0], width - VERDICT_WIDTH - 1)):
                    yield (
                        (f" {item.verdict.word if at == 0 else '':<{VERDICT_WIDTH}}", VERDICT_TONES[item.verdict]),
                        (part, ""),
                    )
