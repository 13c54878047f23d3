"""The shapes of Prometheus' JSON, and what they become: samples, tracks, rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TypeVar

import msgspec

from queries.decode_cache import DecodeCache
from queries.decoding import decode_json
from queries.errors import InvalidResponse, SourceError
from queries.http.error_mapping import from_answer
from queries.model.alert import Alert, AlertRule, AlertState
from queries.model.rule import Rule, RuleGroup, RuleKind
from queries.model.series import Labels, Point, Sample, Series
from queries.text.rfc3339 import unix_seconds

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class InstantResult:
    """An instant vector (a scalar is one sample without labels), with the server's warnings and infos."""

    samples: tuple[Sample, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RangeResult:
    """A range matrix, with the server's warnings and infos."""

    tracks: tuple[Series, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RulesResult:
    """What Prometheus evaluates: alerting rules, their pending and firing instances, and the names of recorded series.

    The instances carry the labels as Prometheus has them: its `external_labels`, which Alertmanager sees, are absent.
    Their fingerprint is `pending:` or `prometheus:` and the same digest of the labels.
    """

    rules: tuple[AlertRule, ...]
    alerts: tuple[Alert, ...]
    recorded: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    records: tuple[tuple[str, str], ...] = ()
    """The recording rules: under which name, and which expression; a name that several record stands there several times."""
    recording: tuple[RuleGroup, ...] = field(default=(), compare=False)
    """The recording rules by group, and how their evaluation goes: it went on, which is no change."""


class _Item(msgspec.Struct):
    metric: dict[str, str] = {}
    value: tuple[float, str] | None = None
    """None for a native histogram, which has no one value."""


class _Vector(msgspec.Struct, tag_field="resultType", tag="vector"):
    result: list[msgspec.Raw]
    """Decoded one by one: one step over ten thousand series would hold every other thread for tens of milliseconds."""


class _Scalar(msgspec.Struct, tag_field="resultType", tag="scalar"):
    result: tuple[float, str]


class _Series(msgspec.Struct):
    metric: dict[str, str] = {}
    values: list[tuple[float, str]] = []


class _Matrix(msgspec.Struct, tag_field="resultType", tag="matrix"):
    result: list[msgspec.Raw]


class _String(msgspec.Struct, tag_field="resultType", tag="string"):
    result: tuple[float, str]


class _Instance(msgspec.Struct):
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    state: str = ""
    activeAt: str = ""
    value: str = "NaN"


class _Rule(msgspec.Struct):
    type: str
    name: str
    query: str = ""
    duration: float = 0.0
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    state: str = ""
    health: str = "unknown"
    lastError: str = ""
    alerts: list[msgspec.Raw] = []


class _Group(msgspec.Struct):
    name: str = ""
    interval: float = 0.0
    rules: list[_Rule] = []
    file: str = ""
    evaluationTime: float = 0.0
    lastEvaluation: str = ""


class _Groups(msgspec.Struct):
    groups: list[_Group]


class _Envelope(msgspec.Struct):
    """`data` stays undecoded until the status is known: an error has none."""

    status: str
    data: msgspec.Raw = msgspec.Raw(b"null")
    warnings: list[str] = []
    infos: list[str] = []


class Described(msgspec.Struct):
    """What one target says of a metric family."""

    type: str = ""
    help: str = ""


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_INSTANT: msgspec.json.Decoder[_Vector | _Scalar | _String | _Matrix] = msgspec.json.Decoder(
    _Vector | _Scalar | _String | _Matrix
)
_RANGE = msgspec.json.Decoder(_Matrix)
_ITEM = msgspec.json.Decoder(_Item)
_SERIES = msgspec.json.Decoder(_Series)
_INSTANCE = msgspec.json.Decoder(_Instance)
_RULES = msgspec.json.Decoder(_Groups)
_METADATA = msgspec.json.Decoder(dict[str, list[Described]])


def instant(body: bytes, *, where: str) -> InstantResult:
    """Decode an answer of /api/v1/query. Raises Malformed, or what an error in the body stands for."""
    envelope = _envelope(body, where)
    data = _shaped(_INSTANT, envelope.data, where)
    warnings = _warnings(envelope)
    if isinstance(data, _Matrix):
        raise InvalidResponse("the query gives a range, not one value a series", where=where, hint="remove the [range]")
    if isinstance(data, _String):
        raise InvalidResponse("the query gives a text, not a number", where=where)
    if isinstance(data, _Scalar):
        return InstantResult((Sample((), number(data.result[1], where)),), warnings)
    items = _each(_ITEM, data.result, where)
    samples = tuple(Sample(pairs(item.metric), number(item.value[1], where)) for item in items if item.value is not None)
    if len(samples) < len(data.result):
        warnings += (f"{len(data.result) - len(samples)} native histograms are not shown",)
    return InstantResult(samples, warnings)


def matrix(body: bytes, *, where: str) -> RangeResult:
    """Decode an answer of /api/v1/query_range. Raises as `instant`; NaN stays a point."""
    envelope = _envelope(body, where)
    data = _shaped(_RANGE, envelope.data, where)
    items = _each(_SERIES, data.result, where)
    tracks = tuple(Series(pairs(item.metric), _points(item.values, where)) for item in items)
    return RangeResult(tracks, _warnings(envelope))


def remembered_alerts(where: str) -> DecodeCache[Alert]:
    """For `rules`, where the same server is asked again and again."""
    return DecodeCache(lambda said: _alert(_shaped(_INSTANCE, said, where), where))


def rules(body: bytes, *, where: str, known: DecodeCache[Alert] | None = None) -> RulesResult:
    """Decode an answer of /api/v1/rules. Raises as `instant`."""
    envelope = _envelope(body, where)
    data = _shaped(_RULES, envelope.data, where)
    alerting: list[AlertRule] = []
    said: list[msgspec.Raw] = []
    records: dict[tuple[str, str], None] = {}
    for group in data.groups:
        for rule in group.rules:
            if rule.type == "alerting":
                alerting.append(_alert_rule(rule, group))
                said.extend(rule.alerts)
            elif rule.type == "recording":
                records[rule.name, rule.query] = None
    # A server tells the instances of a rule in another order each time, though nothing else differs.
    alerts = sorted((known or remembered_alerts(where)).read(said), key=lambda item: item.fingerprint)
    recorded = tuple(sorted({name for name, _ in records}))
    recording = tuple(_rule_group(group, where, {"recording": RuleKind.RECORD}) for group in data.groups)
    recording = tuple(group for group in recording if group.rules)
    return RulesResult(tuple(alerting), tuple(alerts), recorded, _warnings(envelope), tuple(sorted(records)), recording)


def metadata(body: bytes, *, where: str) -> Mapping[str, list[Described]]:
    """Decode an answer of /api/v1/metadata. Raises as `instant`."""
    return _shaped(_METADATA, _envelope(body, where).data, where)


def rule_groups(body: bytes, *, where: str) -> tuple[RuleGroup, ...]:
    """The rules of /api/v1/rules as they are defined, and how their evaluation goes. Raises as `instant`."""
    data = _shaped(_RULES, _envelope(body, where).data, where)
    kinds = {"alerting": RuleKind.ALERT, "recording": RuleKind.RECORD}
    return tuple(_rule_group(group, where, kinds) for group in data.groups)


def _rule_group(group: _Group, where: str, kinds: Mapping[str, RuleKind]) -> RuleGroup:
    return RuleGroup(
        name=group.name,
        file=group.file,
        rules=tuple(_rule(item, kinds[item.type]) for item in group.rules if item.type in kinds),
        interval_seconds=group.interval,
        evaluated_at=_moment(group.lastEvaluation, where),
        evaluation_seconds=group.evaluationTime,
    )


def _rule(rule: _Rule, kind: RuleKind) -> Rule:
    return Rule(
        kind,
        rule.name,
        rule.query,
        pairs(rule.labels),
        pairs(rule.annotations),
        # A server tells 0 where nothing was said.
        rule.duration or None,
        rule.health,
        rule.lastError,
    )


def _moment(text: str, where: str) -> float | None:
    """Unix seconds; None for the year 1, with which a server says never."""
    try:
        at = unix_seconds(text) if text else 0.0
    except ValueError:
        raise InvalidResponse("a time in the answer is not RFC 3339", where=where) from None
    return at if at > 0 else None


def digest(labels: Labels) -> str:
    """Sixteen hexadecimal digits that stand for a label set."""
    made = blake2b(digest_size=8)
    for name, value in labels:
        made.update(f"{len(name)}:{name}{len(value)}:{value}".encode("utf-8", "surrogatepass"))
    return made.hexdigest()


def pairs(metric: dict[str, str]) -> Labels:
    """A JSON label set as Labels, sorted by name."""
    return tuple(sorted(metric.items()))


def number(text: str, where: str) -> float:
    """A sample value: Prometheus writes numbers as text, `NaN` and `+Inf` too. Raises Malformed."""
    try:
        return float(text)
    except ValueError:
        raise InvalidResponse(
            "a sample value is not a number", where=where, hint="check that the URL is this server's"
        ) from None


def _points(values: list[tuple[float, str]], where: str) -> tuple[Point, ...]:
    try:
        return tuple([(at, float(text)) for at, text in values])
    except ValueError:
        raise InvalidResponse(
            "a sample value is not a number", where=where, hint="check that the URL is this server's"
        ) from None


def _alert_rule(rule: _Rule, group: _Group) -> AlertRule:
    return AlertRule(
        name=rule.name,
        expression=rule.query,
        for_seconds=rule.duration,
        labels=pairs(rule.labels),
        annotations=pairs(rule.annotations),
        state=rule.state,
        health=rule.health,
        last_error=rule.lastError,
        group=group.name,
        interval_seconds=group.interval,
    )


def _alert(item: _Instance, where: str) -> Alert:
    labels = pairs(item.labels)
    pending = item.state == "pending"
    try:
        since = unix_seconds(item.activeAt)
    except ValueError:
        raise InvalidResponse("a time in the answer is not RFC 3339", where=where) from None
    return Alert(
        fingerprint=f"{'pending' if pending else 'prometheus'}:{digest(labels)}",
        state=AlertState.PENDING if pending else AlertState.ACTIVE,
        labels=labels,
        annotations=pairs(item.annotations),
        starts_at=since,
        value=number(item.value, where),
    )


def _envelope(body: bytes, where: str) -> _Envelope:
    envelope = _shaped(_ENVELOPE, body, where)
    if envelope.status != "success":
        # 200 with a JSON error: the server noticed the failure after it had begun to answer.
        raise _error(body, where)
    return envelope


def _error(body: bytes, where: str) -> SourceError:
    return from_answer(200, {"content-type": "application/json"}, body, where=where, now=0.0)


def _shaped(shape: msgspec.json.Decoder[T], data: bytes | msgspec.Raw, where: str) -> T:
    return decode_json(shape, data, where=where, whose="Prometheus'")


def _each(shape: msgspec.json.Decoder[T], said: list[msgspec.Raw], where: str) -> Iterator[T]:
    for item in said:
        try:
            yield shape.decode(item)
        except (msgspec.DecodeError, ValueError, RecursionError):
            yield _shaped(shape, item, where)  # which says what is wrong


def _warnings(envelope: _Envelope) -> tuple[str, ...]:
    return (*envelope.warnings, *envelope.infos)
