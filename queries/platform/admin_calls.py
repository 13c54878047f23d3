"""The calls of the platform's own administration, ours and a team's; an invalid one does not affect others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

import msgspec

from queries.catalogue.faults import EntryError, EntryFiles, explain_error
from queries.model.frozen import dataclass
from queries.yaml import Path as Part
from queries.yaml import YamlDocument

BUILT_IN = str(Path(__file__).with_name("admin_calls.yaml"))
_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_Text = Annotated[str, msgspec.Meta(min_length=1)]


class AdminParameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One parameter of a call: where it stands in the request, its kind, and whether the call needs it."""

    name: _Text
    about: _Text
    place: Literal["query", "body"] = msgspec.field(name="in")
    kind: Literal["text", "integer", "flag", "list"] = "text"
    required: bool = False
    one_of: tuple[str, ...] = ()


class AdminMove(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What Prometheus should see move. `unless` are fields of the answer with the values for which nothing has to move."""

    query: _Text
    expect: Literal["rises", "falls", "changes"]
    unless: Mapping[str, str] = MappingProxyType({})


class AdminState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A GET that shows the state which a call changes. `becomes` names the parameter whose value a field has afterwards."""

    path: _Text
    fields: tuple[str, ...]
    becomes: Mapping[str, str] = MappingProxyType({})


class AdminUndo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The call that rolls another one back, or `says`: why there is none. `parameters` get the state's fields of before."""

    call: str = ""
    says: str = ""
    parameters: Mapping[str, str] = MappingProxyType({})


class AdminCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One request to the platform's API. `title` is an imperative.

    `answers` are the fields of an answer and the values with which the call did what it is for: several calls answer 200 and
    say `status: error`. `admin_token`: it needs the second key. `one_process`: it changes only the process that answers.
    `word` has to be typed to confirm. `sealed` is why the call is never sent.
    """

    title: _Text
    about: _Text
    method: Literal["POST", "PUT", "PATCH", "DELETE", "GET"]
    path: _Text
    undo: AdminUndo
    parameters: tuple[AdminParameter, ...] = ()
    answers: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    moves: tuple[AdminMove, ...] = ()
    state: AdminState | None = None
    admin_token: bool = False
    one_process: bool = False
    word: str = ""
    sealed: str = ""
    id: str = ""
    """The key of its entry."""


@dataclass(frozen=True, slots=True)
class AdminCalls:
    """The calls by id. `problems` has a sentence with file and line for every error."""

    calls: Mapping[str, AdminCall]
    problems: tuple[str, ...] = ()

    def find_in(self, text: str) -> tuple[AdminCall, ...]:
        """The calls that a text tells people to make: it names method and path, in the order of the text."""
        found: dict[str, int] = {}
        for call in self.calls.values():
            # `/health/…` is the same call under another prefix.
            path = re.escape(call.path.removeprefix("/api/v1"))
            for match in re.finditer(rf"(?:/api/v1|(?<![\w/]))(?:/health)?{path}(?![\w/-])", text):
                line = text[text.rfind("\n", 0, match.start()) + 1 : match.end()]
                if re.search(rf"(?:\b|-X){call.method}\b", line):
                    found.setdefault(call.id, match.start())
        return tuple(self.calls[name] for name in sorted(found, key=lambda name: found[name]))


@lru_cache(maxsize=8)
def read_admin_calls(files: tuple[str, ...] = ()) -> AdminCalls:
    """Ours, then those of a team's files in order; one with an id of ours takes its place. Never raises for their content."""
    reader = _Reader()
    for path in (BUILT_IN, *files):
        reader.file(path)
    reader.check_undo()
    return AdminCalls(MappingProxyType(reader.calls), tuple(reader.entries.problems))


@dataclass(slots=True)
class _Reader:
    calls: dict[str, AdminCall] = field(default_factory=dict)
    places: dict[str, tuple[str, YamlDocument]] = field(default_factory=dict)
    entries: EntryFiles = field(default_factory=lambda: EntryFiles("calls", "a mapping of calls by id"))

    def file(self, path: str) -> None:
        def take(name: str, entry: Any, document: YamlDocument) -> None:
            self.calls[name] = _read_call(name, entry)
            self.places[name] = (path, document)

        self.entries.read(path, take)

    def check_undo(self) -> None:
        """Remove the calls whose undo names no call, or a parameter that it does not have."""
        for name, call in tuple(self.calls.items()):
            path, document = self.places[name]
            undo = self.calls.get(call.undo.call)
            if call.undo.call and undo is None:
                self.entries.add(path, document, ("calls", name, "undo", "call"), f"there is no call {call.undo.call!r}")
                del self.calls[name]
                continue
            known = {item.name for item in undo.parameters} if undo else set()
            for key in call.undo.parameters:
                if key not in known:
                    text = f"{call.undo.call or 'the undo'} has no parameter {key!r}"
                    self.entries.add(path, document, ("calls", name, "undo", "parameters", key), text)
                    self.calls.pop(name, None)


def _read_call(name: str, entry: Any) -> AdminCall:
    """Raises EntryError."""
    if not _ID.fullmatch(name):
        raise EntryError((), "expected an id of lower-case words and hyphens")
    try:
        call = msgspec.structs.replace(msgspec.convert(entry, AdminCall), id=name)
    except msgspec.ValidationError as error:
        raise explain_error(str(error), entry, _KEYS) from None
    for part, text in _find_errors(call):
        raise EntryError(part, text)
    return call


def _find_errors(call: AdminCall) -> Iterator[tuple[Part, str]]:
    if not _PATH.fullmatch(call.path) or ".." in call.path:
        yield ("path",), "expected a path below the platform's URL, such as /api/v1/faiss/recover, without a query"
    names = [item.name for item in call.parameters]
    for index, item in enumerate(call.parameters):
        if item.name in names[:index]:
            yield ("parameters", index, "name"), f"a second parameter {item.name!r}"
        if item.one_of and item.kind != "text":
            yield ("parameters", index, "one_of"), f"expected none for the kind {item.kind}"
    if bool(call.undo.call) == bool(call.undo.says):
        yield ("undo",), "expected either `call`, an id, or `says`, why it cannot be rolled back"
    if call.state is not None:
        yield from _find_state_errors(call, call.state, names)
    for index, move in enumerate(call.moves):
        yield from _find_query_errors(index, move)
    fields = call.state.fields if call.state else ()
    for key, source in call.undo.parameters.items():
        if source not in fields:
            yield ("undo", "parameters", key), f"expected a field of `state`, found {source!r}"


def _find_state_errors(call: AdminCall, state: AdminState, names: list[str]) -> Iterator[tuple[Part, str]]:
    if not _PATH.fullmatch(state.path) or ".." in state.path:
        yield ("state", "path"), "expected a path below the platform's URL, without a query"
    for key, parameter in state.becomes.items():
        if key not in state.fields:
            yield ("state", "becomes", key), f"expected one of the fields, found {key!r}"
        elif parameter not in names:
            yield ("state", "becomes", key), f"{call.id} has no parameter {parameter!r}"


def _find_query_errors(index: int, move: AdminMove) -> Iterator[tuple[Part, str]]:
    from queries.promql.syntax import PromqlError, parse_promql  # noqa: PLC0415  # slow, and only for this

    try:
        parse_promql(move.query)
    except PromqlError as error:
        yield ("moves", index, "query"), f"not PromQL: {error}"


def _keys_of(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    return tuple(item.encode_name for item in msgspec.structs.fields(kind) if item.name != "id")


_KEYS = {
    "": _keys_of(AdminCall),
    "parameters": _keys_of(AdminParameter),
    "moves": _keys_of(AdminMove),
    "state": _keys_of(AdminState),
    "undo": _keys_of(AdminUndo),
}
