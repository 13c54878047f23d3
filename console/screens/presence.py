"""Who else is on: on which screen, what they preview, who leads, and who holds which alert."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from console.journal.presence import PresentConsole
from console.screens.base import ConsoleScreen, section
from console.screens.render_context import RenderContext
from console.state.incident import Role
from queries.text.durations import format_brief_age
from widgets.formatting import NO_ANSWER
from widgets.styled_text import Line, severity_tone, text, width_of, wrap
from widgets.text_view import TextView

_NAME = 32
"""Characters of a name: anybody may have written it to the store."""


class PresenceScreen(ConsoleScreen):
    """Drawn live from the snapshot; nothing here is fetched."""

    SCREEN_TITLE = "Who is on"
    HELP_TEXT = (
        "The other consoles of this environment that share the journal: who, on which screen, and what they preview; who leads "
        "the open incidents, and who holds which alert. A read-only console sees the others and is not shown to them."
    )
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self) -> None:
        super().__init__()
        self._page = TextView(id="presence", focusable=True)
        self._page.add_class("grow")

    def body(self) -> Iterable[Widget]:
        yield self._page

    def draw(self, context: RenderContext) -> None:
        self._page.show(render_presence(context, max(20, self.width - 1)))


def render_presence(context: RenderContext, width: int) -> tuple[Line, ...]:
    """Who is on, who leads, and who holds what."""
    return (*_render_consoles(context, width), *_render_leads(context, width), *_render_holders(context, width))


def _render_consoles(context: RenderContext, width: int) -> tuple[Line, ...]:
    lines: list[Line] = [section("Who is on", width)]
    snapshot = context.snapshot
    if snapshot is None:
        return (*lines, ((f" {NO_ANSWER}", "dim"),))
    presence = snapshot.presence
    if presence.error:
        lines += _wrapped(f"cannot tell who else is on: {presence.error}", width, "unknown")
    for item in presence.others:
        lines += _render_console(item, width)
    if not presence.error and not presence.known:
        lines.append(((" waiting for the other consoles", "dim"),))
    elif presence.known and not presence.others:
        lines.append(((" no other console is on", "dim"),))
    if context.settings.read_only:
        lines += _wrapped("READ-ONLY: the others do not see this console", width, "dim")
    return tuple(lines)


def _render_console(item: PresentConsole, width: int) -> Iterable[Line]:
    head: Line = ((f" {text(item.user)[0][:_NAME]} ", "accent"),)
    doing = f"previews {item.preview}" if item.preview else ""
    clock = f"its clock is {format_brief_age(abs(item.clock_ahead_seconds))} " + (
        "ahead of this one" if item.clock_ahead_seconds > 0 else "behind this one"
    )
    parts = filter(None, (item.screen or "starting", doing, clock if item.clock_ahead_seconds else ""))
    first, *more = wrap(text(" · ".join(parts))[0], max(10, width - width_of(head)))
    tone = "warn" if item.preview else ""
    yield (*head, (first, tone))
    yield from (((" " * width_of(head), ""), (part, tone)) for part in more)


def _render_leads(context: RenderContext, width: int) -> Iterable[Line]:
    opened = context.snapshot.ledger.incidents.open if context.snapshot is not None else ()
    if not opened:
        return
    yield section("Open incidents", width)
    for incident in opened:
        leader = incident.person(Role.COMMANDER)
        roles = [f"{person}: {role}" for role, person in incident.roles if role is not Role.COMMANDER and person]
        head: Line = ((f" {incident.severity} ", severity_tone(incident.severity)), text(f"{incident.title} ", "strong"))
        led = text(_with_absence(leader, context) + " leads" if leader else "nobody leads", "" if leader else "warn")
        yield (*head, led)
        yield from _wrapped(", ".join(roles), width, "dim") if roles else ()


def _render_holders(context: RenderContext, width: int) -> Iterable[Line]:
    """Every acknowledged alert that is listed, by owner."""
    snapshot = context.snapshot
    if snapshot is None:
        return
    yield section("Who holds which alert", width)
    error = snapshot.ledger.error or (context.session.journal_error if context.session else "")
    if error:
        yield from _wrapped(error, width, "unknown")
    held: dict[str, list[str]] = {}
    for tracked in snapshot.alerts:
        if tracked.owner:
            held.setdefault(tracked.owner, []).append(tracked.alert.name)
    for owner, names in sorted(held.items()):
        yield from _wrapped(f"{_with_absence(owner, context)}: {', '.join(names)}", width)
    unowned = sum(not tracked.owner for tracked in snapshot.active)
    if unowned:
        yield ((f" {unowned} firing {'alert has' if unowned == 1 else 'alerts have'} no owner", "warn"),)
    elif not held and not error:
        yield ((" no alert fires", "dim") if snapshot.alerts_known else (" the alerts are unknown", "unknown"),)


def _with_absence(user: str, context: RenderContext) -> str:
    """`ann@vm (not on)`, where it is known that no console of hers is on."""
    presence = context.snapshot.presence if context.snapshot is not None else None
    if presence is None or not presence.known or user == context.settings.user or presence.is_on(user):
        return user
    return f"{user} (not on)"


def _wrapped(sentence: str, width: int, tone: str = "") -> list[Line]:
    return [((f" {part}", tone),) for part in wrap(text(sentence)[0], width - 1)]
