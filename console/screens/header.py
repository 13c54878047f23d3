"""The first two lines of every screen: environment, cluster and identity; then the state of the sources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from console.screens.render_context import RenderContext
from console.screens.staleness import alerts_age_suffix, count_panels, platform_caveat, short_alerts_caveat
from queries.model.source import Health, SourceState
from queries.model.verdict import Verdict
from queries.text.durations import format_age, format_brief_age
from queries.text.times import format_minute, format_shown
from widgets.formatting import NO_ANSWER
from widgets.styled_text import VERDICT_TONES, Line, Span, cut, spread, text, width_of

if TYPE_CHECKING:
    from console.config.settings import Settings
    from console.state.incident import Incident

_HEALTH_LABELS = {
    Health.WAITING: ("○", NO_ANSWER, "dim"),
    Health.UP: ("●", "ok", "ok"),
    Health.DEGRADED: ("▲", "DEGRADED", "warn"),
    Health.PARTIAL: ("▲", "PARTIAL", "warn"),
    Health.NOT_READY: ("✗", "NOT READY", "critical"),
    Health.STALE: ("✗", "STALE", "critical"),
    Health.DOWN: ("✗", "DOWN", "critical"),
    Health.DENIED: ("✗", "DENIED", "critical"),
    Health.NOT_CONFIGURED: ("○", "not configured", "dim"),
    Health.NOT_KNOWN_THEN: ("○", "NOT KNOWN THEN", "unknown"),
}
_CONTEXT_LENGTHS = (20, 13, 8)
"""A longer context name is cut at its start: the end of `arn:aws:eks:…` identifies the cluster."""
_DAY_SECONDS = 18.0 * 3600.0
"""From this age on a moment is shown with its day."""
_FRESH_SECONDS = 6.0
_FRESH_ROUNDS = 2.5
_SHORT = {"prometheus": "prom", "platform": "api"}
_SHORTER = {"prometheus": "prom", "alertmanager": "am", "kubernetes": "k8s", "platform": "api"}


def render_header(context: RenderContext, width: int) -> tuple[Line, ...]:
    """Both lines."""
    return (_render_location(context, width), _render_sources(context, width))


def describe_header_times(context: RenderContext) -> tuple[object, ...]:
    """What of both lines may differ although the snapshot, apart from its times and its sources, is the same: without an open
    incident, whose times are more than these.
    """
    sources = context.snapshot.sources if context.snapshot is not None else ()
    return (
        format_minute(context.now),
        *((item.name, item.health, item.fault, item.paused, item.last_good_at is None) for item in sources),
        *(_source_details(item, context, detail=2) for item in sources),
        _journal_status(context),
        _recorder_status(context),
    )


def health_label(state: SourceState) -> tuple[str, str, str]:
    """Glyph, word and tone of a source's health; `PAUSED` for one that is not polled, whose health is unknown."""
    if state.paused:
        return ("○", "PAUSED", "unknown")
    glyph, word, tone = _HEALTH_LABELS[state.health]
    return (glyph, text(state.detail)[0], tone) if state.health is Health.WAITING and state.detail else (glyph, word, tone)


def find_command_at(context: RenderContext, width: int, x: int) -> str:
    """The command that leads to what line 1 says in this cell; empty for a gap and the clock."""
    left, right = _lay_out_location(context, width)
    if x < sum(width_of(line) for _, line in left):
        pieces, at = left, 0
    else:
        pieces, at = right, width - sum(width_of(line) for _, line in right)
    if x < at:
        return ""
    for command, line in pieces:
        at += width_of(line)
        if x < at:
            return command
    return ""


def _render_location(context: RenderContext, width: int) -> Line:
    left, right = _lay_out_location(context, width)
    return spread(_join(left), _join(right), width)


def _join(pieces: Iterable[tuple[str, Line]]) -> Line:
    return tuple(span for _, line in pieces for span in line)


def _lay_out_location(context: RenderContext, width: int) -> tuple[tuple[tuple[str, Line], ...], tuple[tuple[str, Line], ...]]:
    """The left and the right half of line 1, as pieces with the command that leads to what each says."""
    settings = context.settings
    right: list[Span] = []
    snapshot = context.snapshot
    panels = count_panels(context) if settings.has_source else {}
    if not settings.has_source:
        right.append(("no server is configured ", "unknown"))
    elif snapshot is not None and snapshot.alerts_known:
        from queries.model.alert import Priority  # noqa: PLC0415  # not before the first frame

        counts = [(priority, snapshot.firing(priority)) for priority in Priority]
        for priority, count in counts:
            if count:
                tone = {Priority.P1: "critical", Priority.P2: "warn", Priority.P3: "warn"}.get(priority, "")
                right.append((f"{priority}:{count} ", tone))
        if right:
            right.append((f"{alerts_age_suffix(context).strip()} ".lstrip(), "unknown"))
        else:
            hidden = _hidden_alerts(context)
            caveat = f"{short_alerts_caveat(context)}{platform_caveat(context)}"
            known = not (caveat or hidden or panels)
            right.append((f"none {'active' if hidden else 'firing'}{hidden}{caveat} ", "ok" if known else "unknown"))
    elif snapshot is not None:
        right.append(("alerts not known ", "unknown"))
    moment: tuple[tuple[str, Line], ...] = ()
    clock: Line = ((f" {format_minute(context.now)} ", ""),)
    if context.as_of is not None:
        moment, clock = (("at", _moment(context, context.as_of.moment)),), ()
    lefts: list[tuple[tuple[str, Line], ...]] = [
        (
            *moment,
            ("env", (text(f" {settings.environment.upper()} ", "production" if settings.protected else "title"),)),
            ("ns", (text(f" {location}  "),)),
            *_role(context, identity),
        )
        for location, identity in _location_variants(settings)
    ]
    whole = len(lefts) - len(_CONTEXT_LENGTHS) if len(lefts) > len(_CONTEXT_LENGTHS) else len(lefts)
    incident_lines, preview_lines = tuple(_open_incidents(context)), tuple(_open_previews(context))
    for unguarded, incidents, previews in _by_length(tuple(_unguarded(context)), incident_lines, preview_lines):
        for panel_counts in _panel_counts(panels):
            pieces = (
                ("journal", unguarded),
                ("who", previews),
                ("incident", incidents),
                ("overview", panel_counts),
                ("alerts", tuple(right)),
                ("", clock),
            )
            room = width - width_of(_join(pieces)) - 1
            for left in lefts[:whole]:  # drop counts before cutting the name of the cluster
                if width_of(_join(left)) <= room:
                    return left, pieces
    return next((left for left in lefts if width_of(_join(left)) <= room), lefts[-1]), pieces


def _role(context: RenderContext, identity: str) -> tuple[tuple[str, Line], ...]:
    """Whether the console may write, and who it is; a past moment cannot be changed by anybody."""
    if context.as_of is not None:
        return ()
    read_only = context.settings.read_only
    role = "READ-ONLY" if read_only else "ACTING"
    return (("who", ((role, "ok" if read_only else "warn"), text(f" ({identity})" if identity else "", "dim"))),)


def _moment(context: RenderContext, moment: float) -> Line:
    """` AS OF 03:12:00Z · 16h ago `, with the day where it is another one."""
    day = "%d %b " if context.clock_now - moment > _DAY_SECONDS else ""
    shown = format_shown(moment, f"{day}%H:%M:%S")
    replay = " REPLAY " if context.session is not None and context.session.replayed else ""
    ago = format_brief_age(max(0.0, context.clock_now - moment))
    return ((f"{replay} AS OF {shown} · {ago} ago ", "past"), (" ", ""))


def _open_incidents(context: RenderContext) -> Iterator[Line]:
    """`incident 4 P1 14m led by ann  update in 4m`: the most severe open incident, the longest variant first."""
    opened = context.snapshot.ledger.incidents.open if context.snapshot is not None else ()
    if not opened:
        yield ()
        return
    worst = min(opened, key=lambda item: (item.severity, item.declared_at))
    tone = "critical" if worst.severity == "P1" else "warn"
    others = [item for item in opened if item is not worst]
    late_others = [str(item.number) for item in others if any(tone == "critical" for _, tone in _deadline(item, context))]
    more: Line = ((f" +{len(others)}", "dim"),) if others else ()
    more += ((f" (INC {', '.join(late_others)} OVERDUE)", "critical"),) if late_others else ()
    facts = f"{worst.number} {worst.severity} {format_brief_age(context.now - worst.declared_at)}"
    leader = next((person for role, person in worst.roles if role == "commander" and person), "")
    led: Line = ((text(f" led by {leader}")[0], "") if leader else (" nobody leads", "warn"),)
    due = _deadline(worst, context)
    yield ((f"incident {facts}", tone), *led, *more, *due, ("  ", ""))
    yield ((f"incident {facts}", tone), *more, *due, ("  ", ""))
    yield ((f"INC {facts}", tone), *more, *due, ("  ", ""))
    late = any(tone == "critical" for _, tone in due)
    if due and not late:
        yield ((f"INC {facts}", tone), *more, ("  ", ""))
    elif late:  # more important than the age, and than the end of the cluster's name
        yield ((f"INC {worst.number} ", tone), due[-1], ("  ", ""))


def _deadline(incident: Incident, context: RenderContext) -> Line:
    """The nearest of response time, next update and stability window; one that is overdue comes first."""
    if context.session is None:
        return ()
    from console.incidents.observations import describe_instability  # noqa: PLC0415  # only while an incident is open
    from console.incidents.response_timers import STABLE, list_deadlines  # noqa: PLC0415  # as above

    policy = context.session.severity_policies.for_severity(incident.severity)
    found = list_deadlines(incident, policy, context.now)
    late = next((item for item in found if item.is_late(context.now)), None)
    nearest = late or next(iter(found), None)
    if nearest is not None and nearest.name == STABLE and (word := describe_instability(incident, context.snapshot)):
        return ((" · ", "dim"), (f"stability {word}" if word == "not known" else word, "warn"))
    return ((" · ", "dim"), (nearest.text(context.now), "critical" if late else "")) if nearest else ()


def _open_previews(context: RenderContext) -> Iterator[Line]:
    """`bob@vm previews Roll back deployment/x`: a change that another console is about to make, the longest variant first."""
    previews = context.snapshot.presence.previews if context.snapshot is not None else ()
    if not previews:
        yield ()
        return
    first = previews[0]
    more = f" +{len(previews) - 1}" if len(previews) > 1 else ""
    user = text(first.user)[0]
    yield ((f"{user} previews {text(first.preview)[0]}{more}  ", "warn"),)
    yield ((f"{user.partition('@')[0]} previews{more}  ", "warn"),)
    yield ((f"{len(previews)} preview{'s' if len(previews) > 1 else ''}  ", "warn"),)
    yield ()  # a notice named it, and f6 does


def _unguarded(context: RenderContext) -> Iterator[Line]:
    """`UNGUARDED deployment/x`: a change whose guard nothing runs, the longest variant first; never left out."""
    found = context.snapshot.unguarded if context.snapshot is not None else ()
    if not found:
        yield ()
        return
    more = f" +{len(found) - 1}" if len(found) > 1 else ""
    yield ((f"UNGUARDED {text(found[0].start.target)[0]}{more}  ", "critical"),)
    yield ((f"{len(found)} UNGUARDED  ", "critical"),)


def _by_length(
    unguarded: tuple[Line, ...], incidents: tuple[Line, ...], previews: tuple[Line, ...]
) -> Iterator[tuple[Line, Line, Line]]:
    """All at their longest first; then the preview's text gives way, then the incident's lead, then the change's name."""
    for change in unguarded:
        for incident in incidents:
            for preview in previews:
                yield change, incident, preview


def _panel_counts(panels: Mapping[Verdict, int]) -> Iterator[Line]:
    """`2 CRIT · 5 NO DATA · 1 IN DOUBT`: the longest variant first, the shortest sums the panels without a known state."""
    yield _join_counts([(f"{count} {verdict.word}", VERDICT_TONES[verdict]) for verdict, count in panels.items()])
    urgent = [(f"{count} {verdict.word}", VERDICT_TONES[verdict]) for verdict, count in panels.items() if verdict.known]
    unknown = {verdict: count for verdict, count in panels.items() if not verdict.known}
    if len(unknown) > 1:
        together: list[Span] = [(f"{sum(unknown.values())} unknown", "unknown")]
    else:
        together = [(f"{count} {verdict.word}", VERDICT_TONES[verdict]) for verdict, count in unknown.items()]
    yield _join_counts(urgent + together)
    yield _join_counts([item for item in urgent if item[1] == "critical"] + together)


def _join_counts(counts: list[Span]) -> Line:
    spans: list[Span] = []
    for count in counts:
        spans += [(" · ", "dim"), count]
    return (*spans[1:], ("  ", "")) if spans else ()


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
    """`, 1 silenced, 2 muted`: alerts that notify nobody are still counted."""
    if context.snapshot is None:
        return ""
    from queries.model.alert import AlertState  # noqa: PLC0415  # not before the first frame

    counts = [*sorted(context.snapshot.suppressed.items()), ("pending", context.snapshot.count(AlertState.PENDING))]
    return "".join(f", {count} {word}" for word, count in counts if count)


def _render_sources(context: RenderContext, width: int) -> Line:
    if context.error:
        return cut((text(f" {context.error}", "critical"),), width)
    if context.note:
        return cut((text(f" {context.note}", "warn"),), width)
    if context.snapshot is None:
        return ((f" {NO_ANSWER}", "dim"),)
    states = context.snapshot.sources
    journal = _journal_status(context) + _recorder_status(context)
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


def _recorder_status(context: RenderContext) -> Line:
    """That nothing is recorded although it should be; the sources screen says why."""
    status = context.session.recorder if context.session else None
    if status is None or not status.error:
        return ()
    return ((" · ", "dim"), ("✗ ", "critical"), ("recorder ", ""), ("FAILED", "critical"))


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
    if state.health in (Health.WAITING, Health.NOT_CONFIGURED, Health.NOT_KNOWN_THEN):
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
