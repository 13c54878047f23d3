"""The keys that work wherever an alert is under the cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.dom import DOMNode

from console.screens import messages
from console.screens.render_context import RenderContext
from queries.model.series import format_labels

if TYPE_CHECKING:
    from console.actions.plan import Request
    from queries.model.alert import TrackedAlert


class AlertActionsMixin(DOMNode):
    """The actions of the keys; a screen says which alert (or, without one, which runbook) they apply to."""

    context: RenderContext | None

    def current_alert(self) -> TrackedAlert | None:
        raise NotImplementedError

    def current_runbook(self) -> str:
        return ""

    def describe_no_alert(self) -> str:
        """The message for a key that requires an alert."""
        return "no alert under the cursor"

    def current_panel(self) -> str:
        """The panel on which an action is verified: the first that lists this alert; empty for none."""
        tracked = self.current_alert()
        panels = self.context.snapshot.panels if self.context and self.context.snapshot else ()
        return next((item.spec.id for item in panels if tracked and tracked.alert.name in item.spec.alerts), "")

    def action_runbook(self) -> None:
        tracked = self.current_alert()
        if tracked is not None:
            runbook_id = tracked.runbook.id if tracked.runbook else "triage"
            self.post_message(messages.OpenRunbookRequested(runbook_id, tracked.alert.fingerprint))
        elif self.current_runbook():
            self.post_message(messages.OpenRunbookRequested(self.current_runbook()))
        else:
            self._notify("no alert under the cursor; 5 lists all runbooks")

    def action_acknowledge(self) -> None:
        if tracked := self._require_alert():
            self.post_message(messages.AcknowledgeRequested(tracked.alert.fingerprint))

    def action_hand_over(self) -> None:
        if tracked := self._require_alert():
            self.post_message(messages.HandOverRequested(tracked.alert.fingerprint))

    def action_silence(self) -> None:
        if tracked := self._require_alert():
            self.post_message(messages.SilenceAlertRequested(tracked))

    def action_workload(self) -> None:
        """Open the page of the workload that the alert is about."""
        if tracked := self._require_alert():
            target = self._find_workload(tracked)
            if tracked.elsewhere is not None:
                self._notify(f"{tracked.elsewhere.sentence()}; instead: {tracked.elsewhere.command}")
            elif not target:
                self._notify(f"{tracked.alert.name} names no workload; press 3 to choose one")
            else:
                self.post_message(messages.OpenWorkloadRequested(target))

    def _find_workload(self, tracked: TrackedAlert) -> str:
        """The target of the suggested actions, else the workload that the labels name: a Job may have no action."""
        from queries.model.workload import names_workload  # noqa: PLC0415  # not before the first frame

        suggested = next((item.target for item in tracked.suggestions if names_workload(item.target)), "")
        cluster = self.context.snapshot.cluster if self.context and self.context.snapshot else None
        if suggested or cluster is None or self.context is None:
            return suggested
        from console.runbooks.suggested_actions import target_of  # noqa: PLC0415  # not before the first frame

        return target_of(tracked.alert, cluster, configured=self.context.settings.alert_targets)

    def action_incident(self) -> None:
        if tracked := self._require_alert():
            self.post_message(messages.DeclareIncidentRequested(tracked.alert.fingerprint, tracked))

    def action_copy(self) -> None:
        if tracked := self._require_alert():
            labels = format_labels(tracked.alert.labels)
            self.post_message(messages.CopyRequested(labels, f"the labels of {tracked.alert.name}"))

    def action_act(self, name: str) -> None:
        from queries.model.workload import names_workload  # noqa: PLC0415  # not before the first frame

        if tracked := self._require_alert():
            if tracked.elsewhere is not None:
                self._notify(f"{tracked.elsewhere.sentence()}; instead: {tracked.elsewhere.command}")
                return
            suggested = [item for item in tracked.suggestions if item.action == name]
            targets = suggested or [item for item in tracked.suggestions if names_workload(item.target)]
            if not targets:
                self._notify(f"{tracked.alert.name} names no workload to {name}; choose one on 3")
                return
            parameters = dict(targets[0].parameters) if suggested else {}
            self.post_message(messages.ActionRequested(self._request(name, targets[0].target, parameters, tracked)))

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

    def _require_alert(self) -> TrackedAlert | None:
        tracked = self.current_alert()
        if tracked is None:
            self._notify(self.describe_no_alert())
        return tracked

    def _notify(self, message: str) -> None:
        self.app.notify(message, markup=False)
