"""Acknowledges an alert, releases it, or takes it over from another person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.journal import acknowledgements
from console.journal.acknowledgements import AcknowledgeResult, Ownership, held_sentence, ownership_of
from console.journal.sqlite import JournalError
from queries.text.durations import format_age
from widgets.dialogs.confirm import ConfirmDialog
from widgets.styled_text import text, wrap

if TYPE_CHECKING:
    from console.screens.app import ConsoleApp
    from console.state.snapshot import Snapshot


class AcknowledgeFlow:
    def __init__(self, app: ConsoleApp) -> None:
        self.app = app
        self._in_progress: set[str] = set()
        """Fingerprints of the alerts being acknowledged or released here: the flow itself reports how that ends."""

    def toggle(self, fingerprint: str) -> None:
        self.app.run_worker(self._toggle(fingerprint), "acknowledging the alert", "own")

    async def _toggle(self, fingerprint: str) -> None:
        session, snapshot = self.app.session, self.app.context.snapshot
        tracked = snapshot.alert(fingerprint) if snapshot else None
        if session is None or snapshot is None or tracked is None:
            return
        name, user = tracked.alert.name, self.app.settings.user
        taking = ownership_of(snapshot.ledger.owners.get(fingerprint), user=user) is not Ownership.OURS
        self._in_progress.add(fingerprint)
        try:
            result = await session.acknowledge(fingerprint, on=taking)
            while result.acknowledgement is not None and result.ownership.held_by_other and not result.written:
                if not await self._confirm_takeover(name, result):
                    return
                result = await session.acknowledge(fingerprint, on=taking, over=result.acknowledgement)
        except JournalError as error:
            self.app.show_notice(f"not acknowledged: {error}", warning=True)
            return
        finally:
            self._in_progress.discard(fingerprint)
        lost = taking and result.ownership.held_by_other
        sentence = acknowledgements.outcome_sentence(name, result, taking=taking)
        self.app.show_notice(sentence, warning=lost or bool(result.caveat))

    async def _confirm_takeover(self, name: str, result: AcknowledgeResult) -> bool:
        """Whether a person takes the alert over from its owner; Cancel has the focus."""
        assert result.acknowledgement is not None  # noqa: S101  there is an owner
        owner = held_sentence(
            result.acknowledgement, result.ownership, format_age(max(0.0, self.app.clock() - result.acknowledgement.at))
        )
        sentences = [f"{name}: {owner}: take it over?"]
        sentences += [f"could not check whether this still holds: {result.caveat}"] if result.caveat else []
        width = max(16, min(100, self.app.size.width) - 4)
        lines = tuple(((f" {part}", "warn"),) for sentence in sentences for part in wrap(text(sentence)[0], width))
        return await self.app.push_screen_wait(ConfirmDialog(lines, verb="Take over"))

    def report_takeovers(self, before: Snapshot, after: Snapshot) -> None:
        """Tell this person at once about an alert of theirs that somebody else took over."""
        if before.ledger.owners is after.ledger.owners:
            return
        user = self.app.settings.user
        for fingerprint, old in before.ledger.owners.items():
            new = after.ledger.owners.get(fingerprint)
            if new is None or new.id == old.id or fingerprint in self._in_progress:
                continue
            if ownership_of(old, user=user) is not Ownership.OURS or not ownership_of(new, user=user).held_by_other:
                continue
            tracked = after.alert(fingerprint) or before.alert(fingerprint)
            name = tracked.alert.name if tracked else fingerprint
            message = f"{new.author} took over {name}"
            if new.at <= old.at:
                message = f"{new.author} had acknowledged {name} before you: it is not yours"
            self.app.notify(message, title="Taken over", severity="warning", timeout=60, markup=False)
