"""The keys that work wherever an alert is under the cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.dom import DOMNode

from console.screens.messages import (
    ActionRequested,
    CopyRequested,
    IncidentRequested,
    OpenRequested,
    OwnRequested,
    SilenceRequested,
)
from console.screens.render_context import RenderContext
from queries.model.series import braces

if TYPE_CHECKING:
    from console.actions.plan import Request
    from queries.model.alert import TrackedAlert


class AlertActionsMixin(DOMNode):
    """A mixin for screens; they say which alert (and, without one, which runbook) is meant."""

    view: RenderContext | None

    def current_alert(self) -> TrackedAlert | None:
        raise NotImplementedError

    def current_runbook(self) -> str:
        return ""

    def current_panel(self) -> str:
        """The panel that a verification should watch: the one that lists this alert as its own; empty for none."""
        tracked = self.current_alert()
        panels = self.view.snapshot.panels if self.view and self.view.snapshot else ()
        found = (item.spec.id for item in panels if tracked and tracked.alert.name in item.spec.alerts)
        return next(found, "")

    def action_runbook(self) -> None:
        tracked = self.current_alert()
        if tracked is not None:
            subject = tracked.runbook.id if tracked.runbook else "triage"
            self._send(OpenRequested("runbook", subject, tracked.alert.fingerprint))
        elif self.current_runbook():
            self._send(OpenRequested("runbook", self.current_runbook()))
        else:
            self._say("no alert under the cursor; all runbooks are on 5")

    def action_own(self) -> None:
        if tracked := self._meant():
            self._send(OwnRequested(tracked.alert.fingerprint))

    def action_silence(self) -> None:
        if tracked := self._meant():
            self._send(SilenceRequested(alert=tracked))

    def action_incident(self) -> None:
        if tracked := self._meant():
            self._send(IncidentRequested("declare", "", tracked.alert.fingerprint))

    def action_copy(self) -> None:
        if tracked := self._meant():
            self._send(CopyRequested(braces(tracked.alert.labels), f"the labels of {tracked.alert.name}"))

    def action_act(self, name: str) -> None:
        if tracked := self._meant():
            if tracked.elsewhere is not None:
                self._say(f"{tracked.elsewhere.sentence()}; instead: {tracked.elsewhere.command}")
                return
            fitting = [item for item in tracked.suggestions if item.action == name]
            targets = fitting or [item for item in tracked.suggestions if item.target.startswith("deployment/")]
            if not targets:
                self._say(f"{tracked.alert.name} names no workload to {name}; choose one on 3")
                return
            parameters = dict(targets[0].parameters) if fitting else {}
            self._send(ActionRequested(self._request(name, targets[0].target, parameters, tracked)))

    def _request(self, name: str, target: str, parameters: dict[str, str], tracked: TrackedAlert) -> Request:
        from console.actions.plan import Request  # noqa: PLC0415  # not before the first frame

        return Request(
            action=name,
            target=target,
            parameters=parameters,
            cause=f"alert {tracked.alert.name}",
            panel_id=self.current_panel(),
            fingerprint=tracked.alert.fingerprint,
        )

    def _meant(self) -> TrackedAlert | None:
        tracked = self.current_alert()
        if tracked is None:
            self._say("no alert under the cursor")
        return tracked

    def _send(
        self,
        message: OpenRequested | OwnRequested | SilenceRequested | CopyRequested | ActionRequested | IncidentRequested,
    ) -> None:
        self.post_message(message)

    def _say(self, words: str) -> None:
        self.app.notify(words, markup=False)
