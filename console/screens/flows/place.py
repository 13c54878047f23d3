"""Takes the console to another environment, context or namespace."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from console.config.sources import COMMANDS
from console.config.switch import CONTEXT, ENVIRONMENT, NAMESPACE, SettingsSource, SwitchRefused
from queries.errors import SourceError
from widgets.dialogs.select import SelectDialog

if TYPE_CHECKING:
    from console.screens.app import ConsoleApp
    from queries.kubernetes.client import Kubernetes

_NAMED = 12
"""Namespaces that an error lists."""
_CLOSED_BY_A_SWITCH = ("action", "drill", "silence", "own", "incident", "leave")
"""The groups of the application's workers that may wait in a dialog."""


class PlaceFlow:
    def __init__(self, app: ConsoleApp) -> None:
        self.app = app

    def switch(self, kind: str, name: str) -> None:
        """Without a name a person chooses one. If a switch is not possible, a notice says why, and the console stays."""
        self.app.run_worker(self._switch(kind, name), f"switching to another {kind}", "place", exclusive=True)

    async def _switch(self, kind: str, name: str) -> None:
        app = self.app
        try:
            if app.source is None:
                raise SwitchRefused("this console was opened for one place; start another one for another place")
            name = name or await self._choose(kind, app.source)
            if not name:
                return
            self._check_running(kind)
            loop = asyncio.get_running_loop()
            source, settings = await loop.run_in_executor(None, app.source.switch, kind, name)
            if kind == NAMESPACE:
                await self._check_namespace(name)
            # Meanwhile a person may have confirmed an action, which stays bound to this place.
            self._check_running(kind)
        except SwitchRefused as error:
            app.show_notice(f"{COMMANDS[kind]}: {error}", warning=True)
            return
        dropped = app.flows.actions.drop_unconfirmed()
        for group in _CLOSED_BY_A_SWITCH:
            app.workers.cancel_group(app, group)
        app.show_place(source, settings)
        for run in dropped:
            app.show_notice(f"{run} was not confirmed: nothing was sent", warning=True)

    def _check_running(self, kind: str) -> None:
        """Raises SwitchRefused while an action has no outcome: its page would show another place's pods and panels."""
        if running := self.app.flows.actions.in_progress:
            where = f"{self.app.settings.environment}/{self.app.settings.namespace}"
            raise SwitchRefused(
                f"{', '.join(running)} has no outcome yet in {where}; wait for it, or open another {kind} in another console"
            )

    async def _choose(self, kind: str, source: SettingsSource) -> str:
        rows = await self._rows(kind, source)
        if not rows:
            raise SwitchRefused(f"there is no {kind} to choose from; use `:{COMMANDS[kind]} NAME`")
        width = max(len(name) for name, _ in rows) + 2
        choices = tuple((name, f"{name:<{width}}{details}".rstrip()) for name, details in rows)
        return await self.app.push_screen_wait(SelectDialog(f"Switch to another {kind}", choices))

    async def _rows(self, kind: str, source: SettingsSource) -> tuple[tuple[str, str], ...]:
        """Name and details of each."""
        settings = self.app.settings
        if kind == ENVIRONMENT:
            return tuple((name, "shown now" if name == settings.environment else "") for name in settings.environments)
        if kind == CONTEXT:
            found = await asyncio.get_running_loop().run_in_executor(None, source.contexts)
            own = settings.kubernetes.context if settings.kubernetes else ""
            return tuple(
                (
                    item.name,
                    f"{item.server}  user {item.user or 'none'}  namespace {item.namespace or 'none'}"
                    + ("  shown now" if item.name == own else ""),
                )
                for item in found
            )
        from queries.kubernetes.identity import list_namespaces  # noqa: PLC0415  # not before the first frame

        try:
            names = await list_namespaces(self._kubernetes())
        except SourceError as error:
            raise SwitchRefused(f"the namespaces cannot be listed: {error}; use `:ns NAME`") from None
        return tuple((name, "shown now" if name == settings.namespace else "") for name in names)

    async def _check_namespace(self, name: str) -> None:
        """Raises SwitchRefused if the cluster says that there is no such namespace."""
        from queries.kubernetes.identity import has_namespace, list_namespaces  # noqa: PLC0415  # as above

        if await has_namespace(self._kubernetes(), name) is not False:
            return
        try:
            names = await list_namespaces(self._kubernetes())
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            known = f"it has {', '.join(names[:_NAMED])}{more}"
        except SourceError as error:
            known = f"its namespaces cannot be listed: {error}"
        raise SwitchRefused(f"the cluster has no namespace {name!r}; {known}")

    def _kubernetes(self) -> Kubernetes:
        session = self.app.session
        if session is None or session.kubernetes is None:
            raise SwitchRefused("Kubernetes is not configured here" if session else "the session is not open yet")
        return session.kubernetes
