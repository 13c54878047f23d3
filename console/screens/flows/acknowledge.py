"""Acknowledges an alert, releases it, or takes it over from another person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.journal import acknowledgements
from console.journal.acknowledgements import (
    NOBODY,
    AcknowledgeResult,
    Ownership,
    Recipient,
    held_sentence,
    list_recipients,
    ownership_of,
)
from console.journal.errors import JournalError
from console.journal.presence import Presence
from queries.model.severity import Priority
from queries.text.durations import format_age
from widgets.dialogs.confirm import ConfirmDialog, wrap_sentences
from widgets.dialogs.form import FormDialog, FormField
from widgets.dialogs.select import SelectDialog

if TYPE_CHECKING:
    from console.screens.app import ConsoleApp
    from console.state.snapshot import Snapshot


_BY_NAME = "by name"
_GONE = "the alert is no longer listed: it cannot be acknowledged, released or handed over"


class AcknowledgeFlow:
    def __init__(self, app: ConsoleApp) -> None:
        self.app = app
        self._in_progress: set[str] = set()
        """Fingerprints of the alerts being acknowledged or released here: the flow itself reports how that ends."""
        self._reported: set[str] = set()

    def take_reported(self) -> set[str]:
        """The fingerprints of the alerts whose new owner a notice named since the last call."""
        reported, self._reported = self._reported, set()
        return reported

    def toggle(self, fingerprint: str) -> None:
        if self.app.refuse_in_past():
            return
        self.app.run_worker(self._toggle(fingerprint), "acknowledging the alert", "own")

    def hand_over(self, fingerprint: str) -> None:
        if self.app.refuse_in_past():
            return
        self.app.run_worker(self._hand_over(fingerprint), "handing the alert over", "own")

    async def _toggle(self, fingerprint: str) -> None:
        snapshot = self.app.context.snapshot
        if snapshot is not None:
            held = snapshot.ledger.owners.get(fingerprint)
            taking = ownership_of(held, user=self.app.settings.user) is not Ownership.OURS
            await self._acknowledge(fingerprint, on=taking)

    async def _hand_over(self, fingerprint: str) -> None:
        """To one of the people who are on, back to who had it before, or to anybody by name."""
        snapshot = self.app.context.snapshot
        tracked = snapshot.alert(fingerprint) if snapshot is not None else None
        if snapshot is None or tracked is None:
            self.app.show_notice(_GONE, warning=True)
            return
        held = snapshot.ledger.owners.get(fingerprint)
        people = list_recipients(held, snapshot.presence, user=self.app.settings.user)
        options = (*((str(at), f"{item.label:<12} {item.user}  {item.place}".rstrip()) for at, item in enumerate(people)),)
        choice = await self.app.push_screen_wait(
            SelectDialog(f"Hand {tracked.alert.name} to", (*options, (_BY_NAME, "someone else, by name")))
        )
        if not choice:
            return
        if choice == _BY_NAME:
            field = FormField("person", "as their console shows them: ann@bastion")
            values = await self.app.push_screen_wait(FormDialog(f"Hand {tracked.alert.name} to", (field,), verb="Hand over"))
            recipient = Recipient(values["person"].strip()) if values else None
        else:
            recipient = people[int(choice)]
        if recipient is not None and recipient.user:
            await self._acknowledge(fingerprint, on=True, to=recipient)

    async def _acknowledge(self, fingerprint: str, *, on: bool, to: Recipient = NOBODY) -> None:
        """Write it; where somebody else holds the alert, only after a person confirmed that."""
        session, snapshot = self.app.session, self.app.context.snapshot
        tracked = snapshot.alert(fingerprint) if snapshot else None
        if session is None or tracked is None:
            self.app.show_notice(_GONE, warning=True)
            return
        name = tracked.alert.name
        self._in_progress.add(fingerprint)
        try:
            result = await session.acknowledge(fingerprint, on=on, to=to.user, console=to.console)
            while result.acknowledgement is not None and result.ownership.held_by_other and not result.written:
                if not await self._confirm_takeover(name, result, to=to.user):
                    return
                over = result.acknowledgement
                result = await session.acknowledge(fingerprint, on=on, over=over, to=to.user, console=to.console)
        except JournalError as error:
            self.app.show_notice(f"not acknowledged: {error}", warning=True)
            return
        finally:
            self._in_progress.discard(fingerprint)
        holder = result.acknowledgement.author if result.acknowledgement else ""
        lost = on and result.ownership.held_by_other and holder != to.user
        sentence = acknowledgements.outcome_sentence(name, result, taking=on, to=to.user, state=tracked.alert.state)
        self.app.show_notice(sentence, warning=lost or bool(result.caveat))

    async def _confirm_takeover(self, name: str, result: AcknowledgeResult, *, to: str = "") -> bool:
        """Whether a person takes the alert over from its owner; Cancel has the focus."""
        assert result.acknowledgement is not None  # noqa: S101  there is an owner
        held, snapshot = result.acknowledgement, self.app.context.snapshot
        presence = snapshot.presence if snapshot is not None else Presence()
        absent: list[str] = []
        console = held.console if not held.by else held.before_console if held.by == held.before else ""
        ahead = presence.clock_ahead_seconds(held.by or held.author, console)
        owner = held_sentence(held, result.ownership, format_age(max(0.0, self.app.clock() - held.at + ahead)))
        if presence.known and result.ownership is Ownership.ANOTHER and not presence.is_on(held.author):
            absent.append(f"no console of {held.author} is on now")
        sentences = [f"{name}: {owner}: {f'hand it to {to}' if to else 'take it over'}?", *absent]
        sentences += [f"could not check whether this still holds: {result.caveat}"] if result.caveat else []
        lines = wrap_sentences(sentences, self.app.size.width)
        return await self.app.push_screen_wait(ConfirmDialog(lines, verb="Hand over" if to else "Take over"))

    def report_takeovers(self, before: Snapshot, after: Snapshot) -> None:
        """Tell this person at once about an alert of theirs that somebody else took over, and about one handed to them."""
        if before.ledger.owners is after.ledger.owners:
            return
        user = self.app.settings.user
        self._report_handed(before, after, user)
        for fingerprint, old in before.ledger.owners.items():
            new = after.ledger.owners.get(fingerprint)
            if new is None or new.id == old.id or fingerprint in self._in_progress:
                continue
            if ownership_of(old, user=user) is not Ownership.OURS or not ownership_of(new, user=user).held_by_other:
                continue
            self._reported.add(fingerprint)
            tracked = after.alert(fingerprint) or before.alert(fingerprint)
            name = tracked.alert.name if tracked else fingerprint
            message = f"{new.author} took over {name}"
            if new.at <= old.at:
                message = f"{new.author} had acknowledged {name} before you: it is not yours"
            self.app.notify(message, title="Taken over", severity="warning", timeout=60, markup=False)
            self.app.flows.notifications.send("takeover", tracked.alert.priority if tracked else Priority.P3, message)

    def _report_handed(self, before: Snapshot, after: Snapshot, user: str) -> None:
        for fingerprint, new in after.ledger.owners.items():
            old = before.ledger.owners.get(fingerprint)
            if not new.by or new.by == user or (old is not None and old.id == new.id):
                continue
            if ownership_of(new, user=user) is Ownership.OURS and before.ledger.known:
                self._reported.add(fingerprint)
                tracked = after.alert(fingerprint)
                message = f"{new.by} handed {tracked.alert.name if tracked else fingerprint} to you"
                self.app.notify(message, title="Handed over", severity="warning", timeout=60, markup=False)
                self.app.flows.notifications.send("takeover", tracked.alert.priority if tracked else Priority.P3, message)
