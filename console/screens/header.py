"""The first two lines of every screen: where one is, and whether the sources answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from console.screens.render_context import RenderContext
from console.screens.staleness import alerts_age, alerts_doubt, panels_doubt, platform_doubt
from queries.model.source import Health, SourceState
from queries.model.verdict import Verdict
from widgets.formatting import NO_ANSWER, format_age, format_minute
from widgets.styled_text import Line, Span, cut, spread, text, width_of

if TYPE_CHECKING:
    from console.config.settings import Settings

_WORDS = {
    Health.WAITING: ("○", NO_ANSWER, "dim"),
    Health.UP: ("●", "ok", "ok"),
    Health.DEGRADED: ("▲", "DEGRADED", "warn"),
    Health.NOT_READY: ("✗", "NOT READY", "critical"),
    Health.STALE: ("✗", "STALE", "critical"),
    Health.DOWN: ("✗", "DOWN", "critical"),
    Health.DENIED: ("✗", "DENIED", "critical"),
    Health.NOT_CONFIGURED: ("○", "not configured", "dim"),
}
_CONTEXT = (20, 13, 8)
"""A longer context's name is cut at its beginning: `arn:aws:eks:…` tells nothing, its end does."""
_FRESH_SECONDS = 6.0
_FRESH_ROUNDS = 2.5
_SHORT = {"prometheus": "prom", "platform": "api"}
_SHORTER = {"prometheus": "prom", "alertmanager": "am", "kubernetes": "k8s", "platform": "api"}


def masthead(view: RenderContext, width: int) -> tuple[Line, ...]:
    """Both lines for this width."""
    return (_where(view, width), _sources(view, width))


def health_words(state: SourceState) -> tuple[str, str, str]:
    """Glyph, word and tone of a source's health. Of one that was not asked nothing is said, neither `ok` nor `DOWN`."""
    if state.paused:
        return ("○", "PAUSED", "unknown")
    glyph, word, tone = _WORDS[state.health]
    return (glyph, text(state.detail)[0], tone) if state.health is Health.WAITING and state.detail else (glyph, word, tone)


def _where(view: RenderContext, width: int) -> Line:
    settings = view.settings
    role = "READ-ONLY" if settings.read_only else "ACTING"
    right: list[Span] = []
    snapshot = view.snapshot
    if snapshot is not None and snapshot.alerts_known:
        from queries.model.alert import Priority  # noqa: PLC0415  # not before the first frame

        counts = [(priority, snapshot.firing(priority)) for priority in Priority]
        for priority, count in counts:
            if count:
                tone = {Priority.P1: "critical", Priority.P2: "warn", Priority.P3: "warn"}.get(priority, "")
                right.append((f"{priority}:{count} ", tone))
        if right:
            if snapshot.in_doubt:
                right.insert(0, (f"{len(snapshot.in_doubt)} {Verdict.IN_DOUBT.word} ", "doubt"))
            right.append((f"{alerts_age(view).strip()} ".lstrip(), "unknown"))
        else:
            hidden, doubt = _hidden(view), f"{panels_doubt(view)}{alerts_doubt(view)}{platform_doubt(view)}"
            right.append((f"none {'active' if hidden else 'firing'}{hidden}{doubt} ", "unknown" if doubt or hidden else "ok"))
    elif snapshot is not None:
        right.append(("alerts not known ", "unknown"))
    right.append((f" {format_minute(view.now)}Z ", ""))
    room = width - width_of(tuple(right)) - 1
    for place, who in _places(settings):
        left: Line = (
            text(f" {settings.environment.upper()} ", "production" if settings.protected else "title"),
            text(f" {place}  "),
            (role, "ok" if settings.read_only else "warn"),
            text(f" ({who})" if who else "", "dim"),
        )
        if width_of(left) <= room:
            break
    return spread(left, tuple(right), width)


def _places(settings: Settings) -> Iterator[tuple[str, str]]:
    """Namespace, context and server, and who acts as whom: the fullest words first, the shortest last."""
    cluster = settings.kubernetes.place if settings.kubernetes else None
    own = settings.user
    if cluster is None or not (cluster.context or cluster.server):
        yield settings.namespace, own
        yield settings.namespace, ""
        return
    host = cluster.server.partition("://")[2]
    name = cluster.context or "in-cluster"
    acting = f"as {cluster.impersonates.partition(' (')[0]}" if cluster.impersonates else ""
    yield f"{settings.namespace} in {name} at {host}", f"{own} {acting}".rstrip()
    yield f"{settings.namespace} in {name}", f"{own} {acting}".rstrip()
    # Where there is no room: who one is oneself is known best.
    yield f"{settings.namespace} in {name}", acting
    for most in _CONTEXT:
        yield f"{settings.namespace} in {name if len(name) <= most else f'…{name[1 - most :]}'}", acting


def _hidden(view: RenderContext) -> str:
    """`, 1 silenced`: what nobody is told of is there all the same."""
    if view.snapshot is None:
        return ""
    from queries.model.alert import AlertState  # noqa: PLC0415  # not before the first frame

    told = [(AlertState.SUPPRESSED, "silenced"), (AlertState.PENDING, "pending")]
    counts = [(view.snapshot.count(state), word) for state, word in told]
    return "".join(f", {count} {word}" for count, word in counts if count)


def _sources(view: RenderContext, width: int) -> Line:
    if view.trouble:
        return cut((text(f" {view.trouble}", "critical"),), width)
    if view.note:
        return cut((text(f" {view.note}", "warn"),), width)
    if view.snapshot is None:
        return ((f" {NO_ANSWER}", "dim"),)
    states = view.snapshot.sources
    journal = _journal(view)
    for names, detail in ((_SHORT, 2), (_SHORT, 1), (_SHORTER, 1), (_SHORTER, 0)):
        line = _joined(states, names, view, detail=detail) + journal
        if width_of(line) <= width:
            return line
    return cut(line, width)


def _journal(view: RenderContext) -> Line:
    """What is wrong with the journal of the team, in two words; nothing while all of it counts and is shared."""
    sharing = view.session.sharing if view.session else None
    if sharing is not None and sharing.fault:
        return ((" · ", "dim"), ("✗ ", "critical"), ("journal ", ""), (sharing.word, "critical"))
    if view.snapshot and not view.snapshot.ledger.known:
        share = 100 * view.snapshot.ledger.read // (view.snapshot.ledger.read + view.snapshot.ledger.behind)
        return ((" · ", "dim"), ("… ", "warn"), ("journal ", ""), (f"READING {share} %", "warn"))
    if view.snapshot and view.snapshot.ledger.lost:
        return ((" · ", "dim"), ("✗ ", "critical"), ("journal ", ""), ("DAMAGED", "critical"))
    if (sharing is not None and sharing.left_out) or (view.snapshot and view.snapshot.ledger.left_out):
        return ((" · ", "dim"), ("▲ ", "warn"), ("journal ", ""), ("IN DOUBT", "warn"))
    return ()


def _joined(states: tuple[SourceState, ...], names: dict[str, str], view: RenderContext, *, detail: int) -> Line:
    """All sources in one line; the less `detail`, the shorter, down to glyph, name, word and age."""
    brief = detail < 2
    spans: list[Span] = [(" ", "")]
    for at, state in enumerate(states):
        if at:
            spans.append((" · " if detail else "  ", "dim"))
        glyph, word, tone = health_words(state)
        spans.append((f"{glyph} ", tone))
        spans.append(text(f"{names.get(state.name, state.name)} "))
        spans.append(("–" if brief and state.health is Health.NOT_CONFIGURED else word, tone))
        more = _more(state, view, detail=detail)
        if more:
            spans.append(text(f" {more}", "dim" if state.health is Health.UP and not state.paused else tone))
    return tuple(spans)


def _more(state: SourceState, view: RenderContext, *, detail: int) -> str:
    """What there is to say beside the word. A source that is well and answered within the last rounds has no age: one that
    counts 0, 1, 0, 1 beside every source would be the only thing that moves on a quiet screen.
    """
    if state.paused_at is not None:
        was = f" was {_WORDS[state.health][1]}" if state.health in (Health.DOWN, Health.DENIED) and detail > 1 else ""
        return f"{format_age(max(0.0, view.now - state.paused_at))}{was}"
    if state.health in (Health.WAITING, Health.NOT_CONFIGURED):
        return ""
    well = state.health.answers
    parts: list[str] = []
    if state.detail and (detail or well):
        parts.append(state.detail)
    if state.fault and state.health is not Health.UP:
        kind = state.fault.kind.value
        told = (str(state.fault.status or "") if kind == "denied" and state.health is Health.DENIED else kind) or kind
        if detail or state.last_good_at is None:
            parts.append(told if not state.fault.status or told == str(state.fault.status) else f"{state.fault.status} {told}")
        if detail > 1:
            parts.append(state.fault.what)
    if state.last_good_at is not None and state.detail != "live":
        seconds = max(0.0, view.now - state.last_good_at)
        if well and seconds <= max(_FRESH_SECONDS, _FRESH_ROUNDS * view.settings.refresh_seconds):
            return " ".join(parts)
        elapsed = format_age(seconds)
        parts.append(elapsed if well else f"last answer {elapsed} ago" if detail else f"{elapsed} ago")
    return " ".join(part for part in parts if part)
