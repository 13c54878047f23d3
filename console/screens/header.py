"""The first two lines of every screen: environment, cluster and identity; then the state of the sources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from console.screens.render_context import RenderContext
from console.screens.staleness import alerts_age_suffix, panels_caveat, platform_caveat, short_alerts_caveat
from queries.model.source import Health, SourceState
from queries.model.verdict import Verdict
from queries.text.durations import format_age
from queries.text.times import format_minute
from widgets.formatting import NO_ANSWER
from widgets.styled_text import Line, Span, cut, spread, text, width_of

if TYPE_CHECKING:
    from console.config.settings import Settings

_HEALTH_LABELS = {
    Health.WAITING: ("○", NO_ANSWER, "dim"),
    Health.UP: ("●", "ok", "ok"),
    Health.DEGRADED: ("▲", "DEGRADED", "warn"),
    Health.NOT_READY: ("✗", "NOT READY", "critical"),
    Health.STALE: ("✗", "STALE", "critical"),
    Health.DOWN: ("✗", "DOWN", "critical"),
    Health.DENIED: ("✗", "DENIED", "critical"),
    Health.NOT_CONFIGURED: ("○", "not configured", "dim"),
}
_CONTEXT_LENGTHS = (20, 13, 8)
"""A longer context name is cut at its start: the end of `arn:aws:eks:…` identifies the cluster."""
_FRESH_SECONDS = 6.0
_FRESH_ROUNDS = 2.5
_SHORT = {"prometheus": "prom", "platform": "api"}
_SHORTER = {"prometheus": "prom", "alertmanager": "am", "kubernetes": "k8s", "platform": "api"}


def render_header(context: RenderContext, width: int) -> tuple[Line, ...]:
    """Both lines."""
    return (_render_location(context, width), _render_sources(context, width))


def health_label(state: SourceState) -> tuple[str, str, str]:
    """Glyph, word and tone of a source's health; `PAUSED` for one that is not polled, whose health is unknown."""
    if state.paused:
        return ("○", "PAUSED", "unknown")
    glyph, word, tone = _HEALTH_LABELS[state.health]
    return (glyph, text(state.detail)[0], tone) if state.health is Health.WAITING and state.detail else (glyph, word, tone)


def _render_location(context: RenderContext, width: int) -> Line:
    settings = context.settings
    role = "READ-ONLY" if settings.read_only else "ACTING"
    right: list[Span] = []
    snapshot = context.snapshot
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
            right.append((f"{alerts_age_suffix(context).strip()} ".lstrip(), "unknown"))
        else:
            hidden = _hidden_alerts(context)
            caveat = f"{panels_caveat(context)}{short_alerts_caveat(context)}{platform_caveat(context)}"
            right.append((f"none {'active' if hidden else 'firing'}{hidden}{caveat} ", "unknown" if caveat or hidden else "ok"))
    elif snapshot is not None:
        right.append(("alerts not known ", "unknown"))
    right.append((f" {format_minute(context.now)}Z ", ""))
    room = width - width_of(tuple(right)) - 1
    for location, identity in _location_variants(settings):
        left: Line = (
            text(f" {settings.environment.upper()} ", "production" if settings.protected else "title"),
            text(f" {location}  "),
            (role, "ok" if settings.read_only else "warn"),
            text(f" ({identity})" if identity else "", "dim"),
        )
        if width_of(left) <= room:
            break
    return spread(left, tuple(right), width)


def _location_variants(settings: Settings) -> Iterator[tuple[str, str]]:
    """Namespace, context and server, and the identity: the longest variant first."""
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
    # Without room, drop the person's own name: they know it.
    yield f"{settings.namespace} in {name}", acting
    for length in _CONTEXT_LENGTHS:
        yield f"{settings.namespace} in {name if len(name) <= length else f'…{name[1 - length :]}'}", acting


def _hidden_alerts(context: RenderContext) -> str:
    """`, 1 silenced`: alerts that notify nobody exist all the same."""
    if context.snapshot is None:
        return ""
    from queries.model.alert import AlertState  # noqa: PLC0415  # not before the first frame

    states = ((AlertState.SUPPRESSED, "silenced"), (AlertState.PENDING, "pending"))
    counts = [(context.snapshot.count(state), word) for state, word in states]
    return "".join(f", {count} {word}" for count, word in counts if count)


def _render_sources(context: RenderContext, width: int) -> Line:
    if context.error:
        return cut((text(f" {context.error}", "critical"),), width)
    if context.note:
        return cut((text(f" {context.note}", "warn"),), width)
    if context.snapshot is None:
        return ((f" {NO_ANSWER}", "dim"),)
    states = context.snapshot.sources
    journal = _journal_status(context)
    for names, detail in ((_SHORT, 2), (_SHORT, 1), (_SHORTER, 1), (_SHORTER, 0)):
        line = _join_sources(states, names, context, detail=detail) + journal
        if width_of(line) <= width:
            return line
    return cut(line, width)


def _journal_status(context: RenderContext) -> Line:
    """What is wrong with the journal, in two words; empty while all of it counts and is shared."""
    sync = context.session.sharing if context.session else None
    if sync is not None and sync.fault:
        return ((" · ", "dim"), ("✗ ", "critical"), ("journal ", ""), (sync.word, "critical"))
    if context.snapshot and not context.snapshot.ledger.known:
        share = 100 * context.snapshot.ledger.read // (context.snapshot.ledger.read + context.snapshot.ledger.behind)
        return ((" · ", "dim"), ("… ", "warn"), ("journal ", ""), (f"READING {share} %", "warn"))
    if context.snapshot and context.snapshot.ledger.lost:
        return ((" · ", "dim"), ("✗ ", "critical"), ("journal ", ""), ("DAMAGED", "critical"))
    if (sync is not None and sync.left_out) or (context.snapshot and context.snapshot.ledger.left_out):
        return ((" · ", "dim"), ("▲ ", "warn"), ("journal ", ""), ("IN DOUBT", "warn"))
    return ()


def _join_sources(states: tuple[SourceState, ...], names: dict[str, str], context: RenderContext, *, detail: int) -> Line:
    """All sources in one line; the lower `detail`, the shorter, down to glyph, name, word and age."""
    brief = detail < 2
    spans: list[Span] = [(" ", "")]
    for at, state in enumerate(states):
        if at:
            spans.append((" · " if detail else "  ", "dim"))
        glyph, word, tone = health_label(state)
        spans.append((f"{glyph} ", tone))
        spans.append(text(f"{names.get(state.name, state.name)} "))
        spans.append(("–" if brief and state.health is Health.NOT_CONFIGURED else word, tone))
        details = _source_details(state, context, detail=detail)
        if details:
            spans.append(text(f" {details}", "dim" if state.health is Health.UP and not state.paused else tone))
    return tuple(spans)


def _source_details(state: SourceState, context: RenderContext, *, detail: int) -> str:
    """What stands beside the word. A healthy source that responded recently has no age: an age that counts 0, 1, 0, 1 would be
    the only thing that moves on a quiet screen.
    """
    if state.paused_at is not None:
        was = f" was {_HEALTH_LABELS[state.health][1]}" if state.health in (Health.DOWN, Health.DENIED) and detail > 1 else ""
        return f"{format_age(max(0.0, context.now - state.paused_at))}{was}"
    if state.health in (Health.WAITING, Health.NOT_CONFIGURED):
        return ""
    healthy = state.health.answers
    parts: list[str] = []
    if state.detail and (detail or healthy):
        parts.append(state.detail)
    if state.fault and state.health is not Health.UP:
        kind = state.fault.kind.value
        label = (str(state.fault.status or "") if kind == "denied" and state.health is Health.DENIED else kind) or kind
        if detail or state.last_good_at is None:
            status = str(state.fault.status or "")
            parts.append(label if label == status else f"{status} {label}".lstrip())
        if detail > 1:
            parts.append(state.fault.what)
    if state.last_good_at is not None and state.detail != "live":
        seconds = max(0.0, context.now - state.last_good_at)
        if healthy and seconds <= max(_FRESH_SECONDS, _FRESH_ROUNDS * context.settings.refresh_seconds):
            return " ".join(parts)
        elapsed = format_age(seconds)
        parts.append(elapsed if healthy else f"last response {elapsed} ago" if detail else f"{elapsed} ago")
    return " ".join(part for part in parts if part)
