"""The drills of a game day, ours and a team's; an invalid one does not affect others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

import msgspec

from queries.catalogue.faults import EntryError, EntryFiles, explain_error
from queries.model.frozen import dataclass
from queries.text.durations import parse_duration
from queries.text.times import InvalidTime
from queries.yaml import Path as Part
from queries.yaml import YamlDocument

BUILT_IN = str(Path(__file__).with_name("drills.yaml"))
LEAST_SECONDS, MOST_SECONDS = 5.0, 4 * 3600.0
"""The range of a drill's time limit."""
_LEAST_EVERY_SECONDS = 1.0
_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_Text = Annotated[str, msgspec.Meta(min_length=1)]


class Drill(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One drill. `title` is an imperative; `action` is the console's, with its `parameters`.

    With `pods` the action is run on pods of the target: `one`, or `each` of them; `every` repeats that until the limit.
    `target` is the only target that it is for; empty for any workload. `undo` says how it is rolled back where the action has
    no undo of its own. `alerts` are names that announce it although no label of theirs names the target. `bears`: the platform
    should bear it, so nothing has to fire. `limit` and `every` are durations.
    """

    title: _Text
    about: _Text
    action: _Text
    limit: _Text
    parameters: Mapping[str, str] = MappingProxyType({})
    target: str = ""
    pods: Literal["", "one", "each"] = ""
    every: str = ""
    undo: str = ""
    alerts: tuple[str, ...] = ()
    bears: bool = False
    id: str = ""
    """The key of its entry."""
    own: bool = False
    """A team's."""

    @property
    def limit_seconds(self) -> float:
        return parse_duration(self.limit)

    @property
    def every_seconds(self) -> float:
        """0 for a drill that changes something once."""
        return parse_duration(self.every) if self.every else 0.0


@dataclass(frozen=True, slots=True)
class DrillCatalogue:
    """The drills by id. `problems` has a sentence with file and line for every error."""

    drills: Mapping[str, Drill]
    problems: tuple[str, ...] = ()


@lru_cache(maxsize=8)
def read_drills(files: tuple[str, ...] = ()) -> DrillCatalogue:
    """Ours, then those of a team's files in order; one with an id of ours takes its place. Never raises for their content."""
    entries = EntryFiles("drills", "a mapping of drills by id")
    drills: dict[str, Drill] = {}
    for path in (BUILT_IN, *files):

        def take(name: str, entry: Any, _: YamlDocument, own: bool = path != BUILT_IN) -> None:
            drills[name] = _read_drill(name, entry, own=own)

        entries.read(path, take)
    return DrillCatalogue(MappingProxyType(drills), tuple(entries.problems))


def _read_drill(name: str, entry: Any, *, own: bool) -> Drill:
    """Raises EntryError."""
    if not _ID.fullmatch(name):
        raise EntryError((), "expected an id of lower-case words and hyphens")
    try:
        found = msgspec.convert(entry, Drill)
    except msgspec.ValidationError as error:
        raise explain_error(str(error), entry, {"": _KEYS}) from None
    for part, text in _find_errors(found):
        raise EntryError(part, text)
    return msgspec.structs.replace(found, id=name, own=own)


def _find_errors(drill: Drill) -> Iterator[tuple[Part, str]]:
    for key, text, least in (("limit", drill.limit, LEAST_SECONDS), ("every", drill.every, _LEAST_EVERY_SECONDS)):
        try:
            if text or key == "limit":
                parse_duration(text, least=least, most=MOST_SECONDS)
        except InvalidTime as error:
            yield (key,), str(error)
    if drill.every and not drill.pods:
        yield ("every",), "expected with `pods` only: a change is made once and rolled back"
    if drill.pods and drill.target:
        yield ("target",), "expected none with `pods`, whose target is a workload"
    if drill.pods and not drill.undo:
        yield ("undo",), "expected how the platform recovers: an action on a pod has no undo of its own"
    for key in ("id", "own"):
        if getattr(drill, key):
            yield (key,), "unknown key"


_KEYS = tuple(item.encode_name for item in msgspec.structs.fields(Drill) if item.name not in ("id", "own"))
