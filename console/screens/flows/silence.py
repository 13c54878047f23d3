"""The silence form: filled from an alert or a silence, and turned into the request of the action."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.actions.plan import Request
from console.screens.messages import (
    EditSilenceRequested,
    NewSilenceRequested,
    SilenceAlertRequested,
    SilenceAlertsRequested,
    SilenceRequested,
)
from queries.model.matcher import Matcher
from queries.model.silence import Silence
from queries.model.text import visible
from queries.text.durations import format_duration
from widgets.dialogs.silence import SilenceDialog, SilenceForm

if TYPE_CHECKING:
    from console.screens.app import ConsoleApp

DEFAULT_DURATION = "2h"
EXCLUDED_LABELS = ("prometheus", "replica", "pod", "instance", "job", "endpoint")
"""Labels that would limit a silence to one replica of what is broken."""


class SilenceFlow:
    """Opens the form and hands its silence to the action flow."""

    def __init__(self, app: ConsoleApp) -> None:
        self.app = app

    def open(self, event: SilenceRequested) -> None:
        if self.app.refuse_in_past():
            return
        if isinstance(event, SilenceAlertsRequested):
            self.app.flows.batches.run(build_requests(event, now=self.app.clock()))
            return
        self.app.run_worker(self._open(event), "opening the silence", "silence")

    async def _open(self, event: SilenceRequested) -> None:
        if self.app.session is None:
            self.app.show_notice("the session is not open yet", warning=True)
            return
        initial = fill_form(event, now=self.app.clock())
        form = await self.app.push_screen_wait(
            SilenceDialog(
                initial,
                matches=self.app.session.silence_matches,
                editing=isinstance(event, EditSilenceRequested),
                duration_hint=duration_hint(event),
            )
        )
        if form is not None:
            self.app.flows.actions.run(build_request(form, event, initial=initial))


def fill_form(event: SilenceRequested, *, now: float) -> SilenceForm:
    """The initial values of the form."""
    match event:
        case EditSilenceRequested(silence):
            left = max(60, int(silence.ends_at - (silence.starts_at if _is_pending(silence) else now)))
            duration = format_duration(left // 60 * 60)
            return SilenceForm(", ".join(str(item) for item in silence.matchers), duration, silence.comment)
        case SilenceAlertRequested(tracked):
            labels = [pair for pair in tracked.alert.labels if pair[0] not in EXCLUDED_LABELS]
            labels.sort(key=lambda pair: pair[0] != "alertname")
            matchers = ", ".join(str(_typeable_matcher(name, value)) for name, value in labels)
            return SilenceForm(matchers, DEFAULT_DURATION, "")
        case NewSilenceRequested(matchers):
            return SilenceForm(matchers, DEFAULT_DURATION, "")
        case _:
            raise TypeError(f"no form for {type(event).__name__}")


def duration_hint(event: SilenceRequested) -> str:
    """When the duration starts, and what happens to the end if the field stays unchanged."""
    if not isinstance(event, EditSilenceRequested):
        return "30m, 2h, 1d from now"
    return f"{'from its start' if _is_pending(event.silence) else 'from now'}; if unchanged, the end stays as it is"


def _is_pending(silence: Silence) -> bool:
    return silence.state == "pending"


def _typeable_matcher(name: str, value: str) -> Matcher:
    """A matcher for a form field: a character that cannot be typed becomes any character of a regular expression."""
    if visible(value) == value:
        return Matcher(name, value)
    parts = (_escape(character) if visible(character) == character else "(?s:.)" for character in value)
    return Matcher(name, "".join(parts), is_regex=True)


def _escape(character: str) -> str:
    """The character, escaped for a regular expression."""
    return f"\\{character}" if character in r"\.+*?()|[]{}^$" else character


def build_requests(event: SilenceAlertsRequested, *, now: float) -> tuple[Request, ...]:
    """One for each set of matchers: alerts that differ only in the labels that a silence leaves out have one silence."""
    first: dict[str, Request] = {}
    for tracked in event.alerts:
        alert, form = tracked.alert, fill_form(SilenceAlertRequested(tracked), now=now)
        request = Request("silence", form.matchers, cause=f"alert {alert.name}", fingerprint=alert.fingerprint)
        first.setdefault(form.matchers, request)
    return tuple(first.values())


def build_request(form: SilenceForm, event: SilenceRequested, *, initial: SilenceForm) -> Request:
    """The request of the action. An unchanged duration of an edited silence is left out, so that its end stays."""
    parameters = {"duration": form.duration, "comment": form.comment}
    if isinstance(event, EditSilenceRequested):
        parameters["id"] = event.silence.id
        if form.duration == initial.duration:
            del parameters["duration"]
    alert = event.alert.alert if isinstance(event, SilenceAlertRequested) else None
    return Request(
        action="silence",
        target=form.matchers,
        parameters=parameters,
        cause=f"alert {alert.name}" if alert else "",
        fingerprint=alert.fingerprint if alert else "",
    )
