"""From an alert or a silence to the dialog's fields, and from those to the request of the action."""

from __future__ import annotations

from console.actions.plan import Request
from console.screens.messages import SilenceRequested
from queries.model.matcher import Matcher
from queries.model.text import visible
from widgets.dialogs.silence import SilenceForm

DEFAULT_DURATION = "2h"
LEFT_OUT = ("prometheus", "replica", "pod", "instance", "job", "endpoint")
"""Labels that would tie a silence to one replica of what is broken."""


def wish_of(event: SilenceRequested, *, now: float) -> SilenceForm:
    """The fields as they stand when the dialog opens."""
    if event.silence is not None:
        left = max(60, int(event.silence.ends_at - (event.silence.starts_at if _scheduled(event) else now)))
        words = f"{left // 3600}h{left % 3600 // 60}m" if left >= 3600 else f"{left // 60}m"
        return SilenceForm(", ".join(str(item) for item in event.silence.matchers), words, event.silence.comment)
    if event.alert is not None:
        pairs = [pair for pair in event.alert.alert.labels if pair[0] not in LEFT_OUT]
        pairs.sort(key=lambda pair: pair[0] != "alertname")
        return SilenceForm(", ".join(str(_typeable(name, value)) for name, value in pairs), DEFAULT_DURATION, "")
    return SilenceForm(event.matchers, DEFAULT_DURATION, "")


def duration_hint(event: SilenceRequested) -> str:
    """From when on the duration counts, and what happens to the end where nobody touches it."""
    if event.silence is None:
        return "30m, 2h, 1d from now"
    return f"{'from its start' if _scheduled(event) else 'from now'}; left unchanged, the end stays as it is"


def _scheduled(event: SilenceRequested) -> bool:
    return event.silence is not None and event.silence.state == "pending"


def _typeable(name: str, value: str) -> Matcher:
    """A matcher that can stand in a field: characters that cannot be typed become any character of a regular expression."""
    if visible(value) == value:
        return Matcher(name, value)
    parts = (_escaped(character) if visible(character) == character else "(?s:.)" for character in value)
    return Matcher(name, "".join(parts), is_regex=True)


def _escaped(character: str) -> str:
    """Escaped for a regular expression."""
    return f"\\{character}" if character in r"\.+*?()|[]{}^$" else character


def request_of(wish: SilenceForm, event: SilenceRequested, *, before: SilenceForm) -> Request:
    """`before` are the fields as the dialog showed them first: an end that nobody touched is not asked for anew."""
    parameters = {"duration": wish.duration, "comment": wish.comment}
    if event.silence is not None:
        parameters["id"] = event.silence.id
        if wish.duration == before.duration:
            del parameters["duration"]
    return Request(
        action="silence",
        target=wish.matchers,
        parameters=parameters,
        cause=f"alert {event.alert.alert.name}" if event.alert else "",
        fingerprint=event.alert.alert.fingerprint if event.alert else "",
    )
