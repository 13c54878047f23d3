"""The palette: everything that the command line can run, by fuzzy search."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from console.screens.commands import commands, perform
from queries.model.text import visible

if TYPE_CHECKING:
    from console.screens.app import ConsoleApp


class ConsoleCommands(Provider):
    """Screens, panels, runbooks, actions, alerts and themes."""

    async def discover(self) -> Hits:
        app = cast("ConsoleApp", self.app)
        for command in commands(app)[:12]:
            yield DiscoveryHit(Content(visible(command.words)), partial(perform, app, command.words), help=command.meaning)

    async def search(self, query: str) -> Hits:
        app = cast("ConsoleApp", self.app)
        matcher = self.matcher(query)
        for command in commands(app):
            score = matcher.match(command.words)
            if score > 0:
                yield Hit(
                    score,
                    Content(visible(command.words)),
                    partial(perform, app, command.words),
                    text=command.words,
                    help=visible(command.meaning),
                )
