"""What a person confirms: before and after, the checks, and the equivalent command."""

from __future__ import annotations

from collections.abc import Iterable

from console.actions.plan import CheckLevel, Plan, PreflightCheck, Preview
from console.screens.render_context import RenderContext
from widgets.styled_text import Line, Span, text, wrap

CHECK_LEVELS = {
    CheckLevel.OK: ("ok", "ok"),
    CheckLevel.WARN: ("WARN", "warn"),
    CheckLevel.ASK: ("ASKS", "critical"),
    CheckLevel.BLOCK: ("BLOCK", "critical"),
}


def render_preview(preview: Preview, context: RenderContext, width: int) -> tuple[Line, ...]:
    """The lines of the confirmation: before and after, the checks, and the equivalent command."""
    plan = preview.plan
    settings = context.settings
    place: Line = (
        text(settings.environment.upper(), "production" if preview.protected else "title"),
        text(f"  {settings.namespace}"),
    )
    title: Line = (text(f" {plan.title}", "strong"),)
    gap = width - sum(len(part) for part, _ in (*title, *place)) - 1
    lines: list[Line] = [(*title, (" " * gap, ""), *place)] if gap > 0 else [title, ((" ", ""), *place)]
    lines += [((f" {part}", "dim"),) for part in (wrap(text(preview.cluster)[0], width - 2) if preview.cluster else ())]
    rule: Line = (("─" * width, "rule"),)
    lines.append(rule)
    name_width = measure_names(plan)
    for item in plan.differences:
        lines += render_difference(item.name, item.before, item.after, name_width, width)
    for note in plan.notes:
        lines += [((" " * (name_width + 1), ""), (part, "")) for part in wrap(text(note)[0], width - name_width - 2)]
    lines.append(rule)
    for at, part in enumerate(wrap(text(plan.command)[0], width - 11)):
        lines.append(((" same as   " if at == 0 else " " * 11, "dim"), (part, "accent")))
    lines.append(rule)
    for check in worst_first(preview.checks):
        word, tone = CHECK_LEVELS[check.level]
        how: Span = (f"  ({check.how})" if check.how else "", "dim")
        parts = wrap(text(check.text)[0], width - 8)
        for at, part in enumerate(parts):
            last = at == len(parts) - 1
            fits = last and len(part) + len(how[0]) + 7 <= width
            lines.append(((f" {word if at == 0 else '':<5} ", tone), (part, ""), how if fits else ("", "")))
    return tuple(lines)


def worst_first(checks: Iterable[PreflightCheck]) -> list[PreflightCheck]:
    """On 24 lines the rest may be scrolled out of view."""
    return sorted(checks, key=lambda item: -tuple(CheckLevel).index(item.level))


def measure_names(plan: Plan) -> int:
    """The cells of the column with the names of what changes."""
    return min(max([10, *(len(item.name) for item in plan.differences)]) + 1, 24)


def render_difference(name: str, before: str, after: str, name_width: int, width: int) -> list[Line]:
    """One line of before and after, or two where it does not fit."""
    head = f" {text(name)[0]:<{name_width}}"[: name_width + 1]
    old, new = text(before)[0], text(after)[0]
    if before == after:
        parts = wrap(f"{old} (unchanged)", width - name_width - 2)
        return [((head if at == 0 else " " * (name_width + 1), "dim"), (part, "dim")) for at, part in enumerate(parts)]
    if len(old) + len(new) + name_width + 8 <= width:
        return [((head, "dim"), (f"{old}  ", ""), ("→  ", "accent"), (new, "strong"))]
    lines: list[Line] = []
    for lead, value, tone in ((head, old, ""), (" " * (name_width - 1) + "→ ", new, "strong")):
        for at, part in enumerate(wrap(value, width - name_width - 2)):
            lines.append(((lead if at == 0 else " " * (name_width + 1), "dim" if lead is head else "accent"), (part, tone)))
    return lines
