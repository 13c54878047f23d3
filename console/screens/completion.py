"""What may be meant by what is typed after `:`: commands, their arguments, and what was run before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from console.screens.commands import Command, Entry, expand_alias, known_commands
from console.screens.render_context import RenderContext
from queries.text.suggestions import match_fuzzily

MOST = 200
"""Entries that a completion returns: nobody scrolls further."""
_RECENT = 8
_COMMANDS_TRIED = 3
"""Commands whose arguments are searched if the first word is no name of a command."""


class Completion:
    """Built when the command line opens, from what is known then; `complete` only computes and may run in a thread.

    Of a cluster with 10,000 workloads each list is built once, and a character that is added searches only what matched before.
    """

    def __init__(self, context: RenderContext, history: Sequence[str], aliases: Mapping[str, str]) -> None:
        self._context = context
        self._history = tuple(history)
        self._aliases = aliases
        self._commands = {item.name: item for item in known_commands(context)}
        heads = [item.head for item in self._commands.values()]
        heads += [Entry(name, f"alias of {text}", open_ended=True) for name, text in self._aliases.items()]
        self._heads = _Names(heads)
        self._arguments: dict[str, _Names] = {}
        self._anything: _Names | None = None

    @property
    def size(self) -> int:
        """How many objects of the cluster the lists are built from."""
        cluster = self._context.snapshot.cluster if self._context.snapshot else None
        return len(cluster.workloads) + len(cluster.pods) if cluster else 0

    def is_complete(self, typed: str) -> bool:
        """Whether the text runs as it is: a command without further arguments, one of its entries, or one with free text."""
        text = expand_alias(typed.strip(), self._aliases)
        name, _, rest = text.partition(" ")
        command = self._commands.get({"q": "quit"}.get(name, name))
        if command is None:
            return False
        if not rest.strip() or command.open_ended:
            return not (command.needs_argument and not rest.strip())
        names = self._list_arguments(command)
        target = rest.split()[0]
        return rest.strip() in names or (target in names and names.entry(target).open_ended)

    def complete(self, typed: str) -> tuple[Entry, ...]:
        """What the text may become, the best first; without a text what was run before, then every command."""
        text = typed.lstrip()
        if not text:
            recent = [Entry(item, "run before") for item in self._history[:_RECENT]]
            return (*recent, *self._heads.entries)
        name, space, rest = text.partition(" ")
        recent = [Entry(item, "run before") for item in self._history if item.startswith(text) and item != text][:3]
        if space and name in self._aliases:
            return self.complete(expand_alias(text, self._aliases))
        command = self._commands.get(name)
        if space and command is not None:
            found = self._complete_arguments(command, rest)
        elif space:
            tried = self._heads.match(name)[:_COMMANDS_TRIED]
            found = [each for head in tried for each in self._search(head.text, rest)]
        else:
            found = self._heads.match(text)
        if not (space and command is not None):
            found = [*found, *self._search_anything(text)]
        return tuple({item.text: item for item in (*recent, *found)}.values())[:MOST]

    def _complete_arguments(self, command: Command, rest: str) -> list[Entry]:
        names = self._list_arguments(command)
        target, space, more = rest.partition(" ")
        if not space:
            return names.match(rest)
        if target in names:
            if command.parameters is None:
                return []
            known = _Names(list(command.parameters(self._context, target)), skip=len(command.name) + len(target) + 2)
            last = more.rpartition(" ")[2]
            return known.match(last) if last else known.entries
        # the target is not complete: what follows it stays
        return [item._replace(text=f"{item.text} {more}", open_ended=False) for item in names.match(target)]

    def _search(self, name: str, rest: str) -> list[Entry]:
        command = self._commands.get(name)
        return self._list_arguments(command).match(rest) if command is not None else []

    def _search_anything(self, text: str) -> list[Entry]:
        """Among the arguments of all commands, then in the descriptions."""
        if self._anything is None:
            commands = [item for item in self._commands.values() if not item.bulky]
            self._anything = _Names([each for item in commands for each in item.list_entries(self._context)])
        return [*self._anything.match(text), *self._anything.match_descriptions(text)]

    def _list_arguments(self, command: Command) -> _Names:
        if command.name not in self._arguments:
            entries = [] if command.entries is None else list(command.entries(self._context))
            own = [item for item in entries if item.text != command.name]
            self._arguments[command.name] = _Names(own, skip=len(command.name) + 1)
        return self._arguments[command.name]


class _Names:
    """Entries that are searched by their text from the position `skip` on; a longer text narrows the last search."""

    def __init__(self, entries: list[Entry], *, skip: int = 0) -> None:
        self.entries = entries
        self._names = [item.text[skip:].casefold() for item in entries]
        self._by_name = {item.text[skip:]: item for item in entries}
        self._descriptions: list[str] = []
        self._last: tuple[str, tuple[int, ...]] = ("", ())

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def entry(self, name: str) -> Entry:
        return self._by_name[name]

    def match(self, typed: str) -> list[Entry]:
        if not typed.strip():
            return self.entries[:MOST]
        before, known = self._last
        among = known if before and typed.startswith(before) else None
        found = match_fuzzily(typed, self._names, among)
        self._last = (typed, found)
        return [self.entries[at] for at in found[:MOST]]

    def match_descriptions(self, typed: str) -> list[Entry]:
        if not self._descriptions:
            self._descriptions = [f"{item.text} {item.description}".casefold() for item in self.entries]
        words = typed.casefold().split()
        found = (at for at, text in enumerate(self._descriptions) if all(word in text for word in words))
        return [self.entries[at] for at in found][:MOST]
