"""Call the platform's own administration: one request that the catalogue, or a team, describes."""

from __future__ import annotations

import asyncio
import json
import math
import shlex
from collections.abc import AsyncGenerator, Mapping
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlencode

from console.actions.action import AppliedCheck, ChangeWriter, ClusterReader, Parameter, Progress
from console.actions.plan import ActionRefused, CheckLevel, Difference, Plan, PreflightCheck, Request, plan_digest
from console.config.missing import ADMINISTRATION_HINT
from queries.errors import SourceError
from queries.model.action import ActionCall
from queries.model.frozen import dataclass
from queries.model.text import visible
from queries.text.numbers import format_brief
from queries.text.secrets import redact_value

if TYPE_CHECKING:
    from queries.platform.admin_calls import AdminCall, AdminMove, AdminParameter

NAME = "admin"
_FLAGS = {"true": True, "yes": True, "false": False, "no": False}
_MAX_FIELDS = 8
_LONGEST_VALUE = 120
_FIRST_KEY, _SECOND_KEY = "X-API-Key", "X-Admin-Token"


@dataclass(frozen=True, slots=True)
class AdminFacts:
    """A call, the server that it goes to, and what it changes as it is now.

    `state` is None where the call has none or it could not be read; then `state_error` says why. `before` has a value for
    each of the call's `moves`, None without a series; `unread` says why Prometheus could not be asked.
    """

    call: AdminCall
    where: str
    key_files: tuple[tuple[str, str], ...]
    state: Mapping[str, object] | None
    state_error: str
    before: tuple[float | None, ...]
    unread: str


@dataclass(frozen=True, slots=True)
class _Before:
    """What the verification compares with."""

    call: AdminCall
    values: Mapping[str, object]
    before: tuple[float | None, ...]
    unread: str
    """Why `before` is not known; nothing counts as moved then."""


class Admin:
    name = NAME
    title = "Call"
    undone_by: ClassVar[str] = NAME
    target_kind = "call"
    kinds: ClassVar[tuple[str, ...]] = ()
    expects_recovery = True
    parameters: tuple[Parameter, ...] = ()

    def list_parameters(self, target: str, reader: ClusterReader) -> tuple[Parameter, ...]:
        """The call's own. Raises ActionRefused."""
        return tuple(
            Parameter(item.name, item.required, _describe_parameter(item)) for item in _find_call(target, reader).parameters
        )

    async def fetch_facts(self, request: Request, reader: ClusterReader) -> AdminFacts:
        call, server = _find_call(request.target, reader), reader.administration
        if call.sealed:
            raise ActionRefused(f"{call.id} is sealed: {call.sealed}")
        if server is None or _FIRST_KEY not in dict(server.key_files):
            raise ActionRefused(f"the platform's administration is not configured: {ADMINISTRATION_HINT}")
        if call.admin_token and _SECOND_KEY not in dict(server.key_files):
            raise ActionRefused(
                f"{call.id} also needs the admin token: name administration.admin_token_file in the config file"
            )
        state: Mapping[str, object] | None = None
        state_error = unread = ""
        if call.state is not None:
            try:
                state = await server.document(call.state.path)
            except SourceError as error:
                state_error = str(error)
        before: tuple[float | None, ...]
        try:
            before = tuple(await asyncio.gather(*(_read_before(item.query, reader) for item in call.moves)))
        except SourceError as error:
            before, unread = (None,) * len(call.moves), str(error)
        return AdminFacts(call, server.where, server.key_files, state, state_error, before, unread)

    def plan(self, request: Request, facts: AdminFacts, now: float) -> Plan:
        call = facts.call
        if request.guard is not None and not (call.state and call.state.becomes):
            raise ActionRefused(f"{call.id} cannot be guarded: no state shows whether it is still in place")
        values = {item.name: _convert(item, request.parameters[item.name]) for item in call.parameters if _given(item, request)}
        query = tuple((item.name, _text(values[item.name])) for item in call.parameters if _is(item, "query", values))
        body = {item.name: values[item.name] for item in call.parameters if _is(item, "body", values)}
        sends_body = any(item.place == "body" for item in call.parameters)
        shown_query = [(name, _shown(name, value)) for name, value in query]
        url = f"{facts.where}{call.path}{f'?{urlencode(shown_query)}' if query else ''}"
        content = ""
        differences = [Difference("request", f"{call.method} {url}", f"{call.method} {url}")]
        if sends_body:
            content = json.dumps({name: _shown(name, value) for name, value in body.items()}, ensure_ascii=False)
            differences.append(Difference("body", content, content))
        differences += _state_differences(facts, values)
        return Plan(
            request=request,
            title=f"{call.title}: {call.method} {call.path}",
            subject=f"call/{call.id}",
            differences=tuple(differences),
            notes=tuple(filter(None, (call.about, _describe_moves(facts), _describe_undo(facts)))),
            command=_curl(call, url, facts.key_files, content),
            confirm_word=call.id,
            body={"query": [list(item) for item in query], "body": body if sends_body else None},
            digest=plan_digest(NAME, call.id, call.method, facts.where, call.path, query, body, _undo_values(facts)),
            verify_with=_Before(call, values, facts.before, facts.unread),
            undo=_find_undo(facts),
        )

    async def preflight(
        self, plan: Plan, facts: AdminFacts, reader: ClusterReader, writer: ChangeWriter
    ) -> tuple[PreflightCheck, ...]:
        call = facts.call
        checks = [await _check_served(call, reader)]
        if call.one_process:
            text = "it changes only the process that answers: behind one address, repeat it or restart the other pods"
            checks.append(PreflightCheck(CheckLevel.WARN, text, "platform"))
        if facts.state_error:
            checks.append(PreflightCheck(CheckLevel.WARN, f"could not read the present state: {facts.state_error}", "state"))
        if facts.unread:
            text = f"could not read what it moves: {facts.unread}; the outcome may stay unknown"
            checks.append(PreflightCheck(CheckLevel.WARN, text, "Prometheus"))
        dry_run = plan.request.parameters.get("dry_run", "").lower() in ("true", "yes")
        if call.word and not dry_run:
            text = f"{call.undo.says or 'it deletes data'}: type {call.word}"
            checks.append(PreflightCheck(CheckLevel.ASK, text, "undo", call.word))
        return tuple(checks)

    async def execute(self, plan: Plan, writer: ChangeWriter) -> str:
        call: AdminCall = plan.verify_with.call
        query = [(name, value) for name, value in plan.body["query"]]
        return await writer.call_platform(call.method, call.path, query, plan.body["body"])

    async def check_applied(self, plan: Plan, reader: ClusterReader) -> AppliedCheck:
        """Only what it moves shows that a call whose answer was lost took effect; a call that moves nothing stays unknown."""
        moved, text = await _check_moves(plan.verify_with, reader)
        if plan.verify_with.call.state is not None and plan.verify_with.call.state.becomes:
            moved, text = await _check_state(plan.verify_with, reader)
        return AppliedCheck(plan) if moved else AppliedCheck(text=text or "none of its metrics is exported")

    async def fetch_state(self, request: ActionCall, reader: ClusterReader) -> str:
        """As `Guardable.fetch_state`: of the fields that the call sets."""
        call, server = _find_call(request.target, reader), reader.administration
        if call.state is None or server is None:
            return plan_digest(NAME, call.id)
        found = await server.document(call.state.path)
        return plan_digest(NAME, call.state.path, {name: found.get(name) for name in call.state.becomes})

    async def is_made(self, request: ActionCall, reader: ClusterReader) -> bool:
        """Whether every field that the call sets has its value: the plan refuses none, because another process may lack it."""
        call = _find_call(request.target, reader)
        values = {item.name: _convert(item, request.parameters[item.name]) for item in call.parameters if _given(item, request)}
        is_shown = call.state is not None and any(name in values for name in call.state.becomes.values())
        return is_shown and (await _check_state(_Before(call, values, (), ""), reader))[0]

    async def check_undone(self, plan: Plan, reader: ClusterReader) -> Progress | None:
        return None

    async def verify(self, plan: Plan, reader: ClusterReader) -> AsyncGenerator[Progress, None]:
        """What the answer says, then the state it leads to, then what Prometheus sees move."""
        facts: _Before = plan.verify_with
        answer = json.loads(plan.written) if plan.written else None
        fields = _scalars(answer)
        shown = describe_answer(answer)
        wrong = [name for name, values in facts.call.answers.items() if answer is not None and fields.get(name) not in values]
        if wrong:
            yield Progress(f"the platform answered, but did not do it: {shown}", done=False)
            return
        yield Progress(f"the platform answered: {shown or 'nothing'}")
        if facts.call.state is not None and facts.call.state.becomes:
            while True:
                reached, text = await _check_state(facts, reader)
                yield Progress(text, done=True if reached and not facts.call.moves else None)
                if reached:
                    break
        if not facts.call.moves:
            yield Progress(f"{shown or 'done'}; nothing that Prometheus could see move", done=True)
            return
        if _is_dry_run(plan.request) or _needs_no_move(facts.call.moves, fields):
            yield Progress(f"{shown}; so nothing has to move", done=True)
            return
        while True:
            moved, text = await _check_moves(facts, reader)
            yield Progress(f"{shown}; {text}" if shown else text, done=True if moved else None, takes_long=True)
            if moved:
                return


def _find_call(target: str, reader: ClusterReader) -> AdminCall:
    kind, slash, name = target.partition("/")
    if kind != "call" or not slash or not name:
        raise ActionRefused(f"the target {target[:80]!r} is not call/ID")
    return reader.admin_call(name)


def _describe_parameter(item: AdminParameter) -> str:
    choices = f" ({', '.join(item.one_of)})" if item.one_of else ""
    return f"{item.about}{choices}"


def _given(item: AdminParameter, request: ActionCall) -> bool:
    return bool(request.parameters.get(item.name))


def _is(item: AdminParameter, place: str, values: Mapping[str, object]) -> bool:
    return item.place == place and item.name in values


def _convert(item: AdminParameter, text: str) -> object:
    """Raises ActionRefused."""
    if item.one_of and text not in item.one_of:
        raise ActionRefused(f"{item.name} is {text[:80]!r}, expected one of {', '.join(item.one_of)}")
    if item.kind == "integer":
        if not (text.isascii() and text.isdigit()) or len(text) > 15:
            raise ActionRefused(f"{item.name} is {text[:80]!r}, expected a whole number")
        return int(text)
    if item.kind == "flag":
        if text.lower() not in _FLAGS:
            raise ActionRefused(f"{item.name} is {text[:80]!r}, expected true or false")
        return _FLAGS[text.lower()]
    if item.kind == "list":
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _text(value: object) -> str:
    """A value as in a URL, and as answers and expectations are compared."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _scalars(answer: object) -> dict[str, str]:
    if not isinstance(answer, dict):
        return {}
    return {str(key): _text(value) for key, value in answer.items() if isinstance(value, str | int | float | bool)}


def _shown(name: str, value: object) -> object:
    """The value of a parameter or field without what its name or form marks as a secret."""
    if isinstance(value, list):
        return [redact_value(name, _text(item)) for item in value]
    text = _text(value)
    shown = redact_value(name, text)
    return value if shown == text else shown


def describe_answer(answer: object) -> str:
    """`status ok, deleted_count 0`: the first plain fields of an answer, and the message of its error; without secrets."""
    fields = list(_scalars(answer).items())
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, dict) and isinstance(error.get("message"), str):
        fields.append(("error", error["message"]))
    return ", ".join(
        f"{visible(name)} {visible(redact_value(name, value)[:_LONGEST_VALUE])}" for name, value in fields[:_MAX_FIELDS]
    )


def _state_differences(facts: AdminFacts, values: Mapping[str, object]) -> list[Difference]:
    if facts.call.state is None or facts.state is None:
        return []
    becomes = facts.call.state.becomes
    lines = []
    for name in facts.call.state.fields:
        before = redact_value(name, _text(facts.state.get(name)))[:_LONGEST_VALUE]
        after = redact_value(name, _text(values[becomes[name]])) if becomes.get(name) in values else before
        lines.append(Difference(name, before, after))
    return lines


def _describe_moves(facts: AdminFacts) -> str:
    shown = [
        f"{item.query} {item.expect} (now {'no series' if value is None else format_brief(value)})"
        for item, value in zip(facts.call.moves, facts.before, strict=True)
    ]
    return f"verified by: {'; '.join(shown)}" if shown and not facts.unread else ""


def _undo_values(facts: AdminFacts) -> dict[str, str]:
    state = facts.state or {}
    return {name: _text(state.get(source)) for name, source in facts.call.undo.parameters.items()}


def _find_undo(facts: AdminFacts) -> ActionCall | None:
    undo = facts.call.undo
    if not undo.call or (undo.parameters and facts.state is None):
        return None
    return ActionCall(NAME, f"call/{undo.call}", _undo_values(facts))


def _describe_undo(facts: AdminFacts) -> str:
    undo = facts.call.undo
    if not undo.call:
        return f"to undo: {undo.says}"
    if undo.parameters and facts.state is None:
        return f"to undo: {undo.call}, with the state of before, which could not be read"
    shown = {name: _shown(name, value) for name, value in _undo_values(facts).items()}
    flags = "".join(f" --set {shlex.quote(f'{name}={value}')}" for name, value in shown.items())
    return f"to undo: cad-console act {NAME} {undo.call}{flags}"


def _curl(call: AdminCall, url: str, key_files: tuple[tuple[str, str], ...], content: str) -> str:
    """The same request with curl, which reads the keys from their files."""
    needed = [item for item in key_files if call.admin_token or item[0] != _SECOND_KEY]
    headers = "".join(f' -H "{name}: $(cat {shlex.quote(path)})"' for name, path in needed)
    body = f" -H 'Content-Type: application/json' -d {shlex.quote(content)}" if content else ""
    return f"curl -fsS -X {call.method}{headers}{body} {shlex.quote(url)}"


async def _check_served(call: AdminCall, reader: ClusterReader) -> PreflightCheck:
    """Whether this build serves the call, by its own OpenAPI document."""
    server = reader.administration
    try:
        methods = await server.served_methods(call.path) if server else None
    except SourceError as error:
        return PreflightCheck(CheckLevel.WARN, f"could not check whether this build serves it: {error}", "OpenAPI")
    if methods is None:
        text = "could not check whether this build serves it: it publishes no /openapi.json"
        return PreflightCheck(CheckLevel.WARN, text, "OpenAPI")
    if call.method in methods:
        return PreflightCheck(CheckLevel.OK, f"this build serves {call.method} {call.path}", "OpenAPI")
    instead = f"; it serves {', '.join(methods)} there" if methods else ""
    return PreflightCheck(CheckLevel.BLOCK, f"this build does not serve {call.method} {call.path}{instead}", "OpenAPI")


def _is_dry_run(request: Request) -> bool:
    return request.parameters.get("dry_run", "").lower() in ("true", "yes")


def _needs_no_move(moves: tuple[AdminMove, ...], fields: Mapping[str, str]) -> bool:
    """Whether the answer says for each move that there was nothing to do."""
    return all(item.unless and all(fields.get(name) == value for name, value in item.unless.items()) for item in moves)


async def _check_state(facts: _Before, reader: ClusterReader) -> tuple[bool, str]:
    """Whether each field has the value that the call set. Raises SourceError."""
    state, server = facts.call.state, reader.administration
    if state is None or server is None:
        return False, ""
    found = await server.document(state.path)
    expected = {name: _text(facts.values[source]) for name, source in state.becomes.items() if source in facts.values}
    text = ", ".join(f"{name} is {visible(redact_value(name, _text(found.get(name)))[:_LONGEST_VALUE])}" for name in expected)
    return all(_text(found.get(name)) == value for name, value in expected.items()), text or "no parameter was given"


async def _check_moves(facts: _Before, reader: ClusterReader) -> tuple[bool, str]:
    """Whether everything that has to move did. Raises SourceError."""
    if facts.unread:
        return False, f"what it moves was not read before the call: {facts.unread}"
    moved, lines = bool(facts.call.moves), []
    for item, before in zip(facts.call.moves, facts.before, strict=True):
        now = await reader.metric_value(item.query)
        moved = moved and _has_moved(item.expect, before, now)
        shown = ["no series" if value is None else format_brief(value) for value in (before, now)]
        lines.append(f"{item.query} {shown[0] if shown[0] == shown[1] else ' → '.join(shown)}")
    return moved, "; ".join(lines)


async def _read_before(query: str, reader: ClusterReader) -> float | None:
    """The value now, or the last of the past hour: a target that is not scraped still has its counts. Raises SourceError."""
    value = await reader.metric_value(query)
    return value if value is not None else await reader.metric_value(f"last_over_time(({query})[1h:1m])")


def _has_moved(expect: str, before: float | None, now: float | None) -> bool:
    """A counter with labels has no series before its first use. A counter that starts again after a restart is lower. NaN is no
    value: nothing has moved from it, or to it.
    """
    if now is None or math.isnan(now) or (before is not None and math.isnan(before)):
        return False
    if expect == "rises":
        return now > (before or 0.0)
    if expect == "falls":
        return before is not None and now < before
    return before is None or now != before
