"""Prometheus' JSON responses, decoded into samples, series, rules and metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TypeVar

import msgspec

from queries.decode_cache import DecodeCache
from queries.decoding import decode_json
from queries.errors import InvalidResponse, SourceError
from queries.http.error_mapping import from_response
from queries.model.alert import Alert, AlertRule, AlertState
from queries.model.rule import Rule, RuleGroup, RuleKind
from queries.model.series import Labels, Point, Sample, Series
from queries.text.times import parse_rfc3339

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class InstantResult:
    """An instant vector (a scalar is one sample without labels), with the server's warnings and infos."""

    samples: tuple[Sample, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RangeResult:
    """A range matrix, with the server's warnings and infos."""

    series: tuple[Series, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RulesResult:
    """The alerting rules, their pending and firing alerts, and the names of recorded series.

    The alerts have Prometheus' labels, without the `external_labels` that it sends to Alertmanager. Their fingerprint is
    `pending:` or `prometheus:` and a digest of the labels.
    """

    rules: tuple[AlertRule, ...]
    alerts: tuple[Alert, ...]
    recorded: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    records: tuple[tuple[str, str], ...] = ()
    """Name and expression of every recording rule; a name that several rules record occurs several times."""
    recording: tuple[RuleGroup, ...] = field(default=(), compare=False)
    """The recording rules by group with their evaluation state, which does not count as a change."""


class _Item(msgspec.Struct):
    metric: dict[str, str] = {}
    value: tuple[float, str] | None = None
    """None for a native histogram, which has no single value."""


class _Vector(msgspec.Struct, tag_field="resultType", tag="vector"):
    result: list[msgspec.Raw]
    """Decoded one by one: one step over ten thousand series would block every other thread for tens of milliseconds."""


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
    """`data` is decoded after the status, because an error has none."""

    status: str
    data: msgspec.Raw = msgspec.Raw(b"null")
    warnings: list[str] = []
    infos: list[str] = []


class FamilyMetadata(msgspec.Struct):
    """The metadata of a metric family on one target."""

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
_METADATA = msgspec.json.Decoder(dict[str, list[FamilyMetadata]])


def decode_instant(body: bytes, *, where: str) -> InstantResult:
    """Decode a response of /api/v1/query. Raises InvalidResponse, or the SourceError of an error in the body."""
    envelope = _envelope(body, where)
    data = _decode(_INSTANT, envelope.data, where)
    warnings = _warnings(envelope)
    if isinstance(data, _Matrix):
        raise InvalidResponse(
            "the query returns a range vector, not one value per series", where=where, hint="remove the [range]"
        )
    if isinstance(data, _String):
        raise InvalidResponse("the query returns a string, not a number", where=where)
    if isinstance(data, _Scalar):
        return InstantResult((Sample((), parse_value(data.result[1], where)),), warnings)
    items = _each(_ITEM, data.result, where)
    samples = tuple(
        Sample(sort_labels(item.metric), parse_value(item.value[1], where)) for item in items if item.value is not None
    )
    if len(samples) < len(data.result):
        warnings += (f"{len(data.result) - len(samples)} native histograms are not shown",)
    return InstantResult(samples, warnings)


def decode_range(body: bytes, *, where: str) -> RangeResult:
    """Decode a response of /api/v1/query_range. Raises as `decode_instant`; NaN stays a point."""
    envelope = _envelope(body, where)
    data = _decode(_RANGE, envelope.data, where)
    items = _each(_SERIES, data.result, where)
    series = tuple(Series(sort_labels(item.metric), _points(item.values, where)) for item in items)
    return RangeResult(series, _warnings(envelope))


def build_alert_cache(where: str) -> DecodeCache[Alert]:
    """A cache for repeated calls of `decode_rules` for one server."""
    return DecodeCache(lambda item: _alert(_decode(_INSTANCE, item, where), where))


def decode_rules(body: bytes, *, where: str, known: DecodeCache[Alert] | None = None) -> RulesResult:
    """Decode a response of /api/v1/rules. Raises as `decode_instant`."""
    envelope = _envelope(body, where)
    data = _decode(_RULES, envelope.data, where)
    alerting: list[AlertRule] = []
    instances: list[msgspec.Raw] = []
    records: dict[tuple[str, str], None] = {}
    for group in data.groups:
        for rule in group.rules:
            if rule.type == "alerting":
                alerting.append(_alert_rule(rule, group))
                instances.extend(rule.alerts)
            elif rule.type == "recording":
                records[rule.name, rule.query] = None
    # The server returns the alerts of a rule in a different order each time.
    alerts = sorted((known or build_alert_cache(where)).read(instances), key=lambda item: item.fingerprint)
    recorded = tuple(sorted({name for name, _ in records}))
    recording = tuple(_rule_group(group, where, {"recording": RuleKind.RECORD}) for group in data.groups)
    recording = tuple(group for group in recording if group.rules)
    return RulesResult(tuple(alerting), tuple(alerts), recorded, _warnings(envelope), tuple(sorted(records)), recording)


def decode_metadata(body: bytes, *, where: str) -> Mapping[str, list[FamilyMetadata]]:
    """Decode a response of /api/v1/metadata. Raises as `decode_instant`."""
    return _decode(_METADATA, _envelope(body, where).data, where)


def decode_rule_groups(body: bytes, *, where: str) -> tuple[RuleGroup, ...]:
    """Decode the groups of /api/v1/rules with definitions and evaluation state. Raises as `decode_instant`."""
    data = _decode(_RULES, _envelope(body, where).data, where)
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
        sort_labels(rule.labels),
        sort_labels(rule.annotations),
        # The server reports 0 for a rule without `for`.
        rule.duration or None,
        rule.health,
        rule.lastError,
    )


def _moment(text: str, where: str) -> float | None:
    """Unix seconds; None for the year 1, Go's zero time: never."""
    try:
        at = parse_rfc3339(text) if text else 0.0
    except ValueError:
        raise InvalidResponse("a time in the answer is not RFC 3339", where=where) from None
    return at if at > 0 else None


def hash_labels(labels: Labels) -> str:
    """Sixteen hexadecimal digits, the hash of a label set."""
    hasher = blake2b(digest_size=8)
    for name, value in labels:
        hasher.update(f"{len(name)}:{name}{len(value)}:{value}".encode("utf-8", "surrogatepass"))
    return hasher.hexdigest()


def sort_labels(metric: dict[str, str]) -> Labels:
    """A JSON label set as Labels, sorted by name."""
    return tuple(sorted(metric.items()))


def parse_value(text: str, where: str) -> float:
    """A sample value, which Prometheus writes as text, also `NaN` and `+Inf`. Raises InvalidResponse."""
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
        labels=sort_labels(rule.labels),
        annotations=sort_labels(rule.annotations),
        state=rule.state,
        health=rule.health,
        last_error=rule.lastError,
        group=group.name,
        interval_seconds=group.interval,
    )


def _alert(item: _Instance, where: str) -> Alert:
    labels = sort_labels(item.labels)
    pending = item.state == "pending"
    try:
        since = parse_rfc3339(item.activeAt)
    except ValueError:
        raise InvalidResponse("a time in the answer is not RFC 3339", where=where) from None
    return Alert(
        fingerprint=f"{'pending' if pending else 'prometheus'}:{hash_labels(labels)}",
        state=AlertState.PENDING if pending else AlertState.ACTIVE,
        labels=labels,
        annotations=sort_labels(item.annotations),
        starts_at=since,
        value=parse_value(item.value, where),
    )


def _envelope(body: bytes, where: str) -> _Envelope:
    envelope = _decode(_ENVELOPE, body, where)
    if envelope.status != "success":
        # 200 with a JSON error: the server failed after it had sent the status.
        raise _error(body, where)
    return envelope


def _error(body: bytes, where: str) -> SourceError:
    return from_response(200, {"content-type": "application/json"}, body, where=where, now=0.0)


def _decode(shape: msgspec.json.Decoder[T], data: bytes | msgspec.Raw, where: str) -> T:
    return decode_json(shape, data, where=where, whose="Prometheus'")


def _each(shape: msgspec.json.Decoder[T], items: list[msgspec.Raw], where: str) -> Iterator[T]:
    for item in items:
        try:
            yield shape.decode(item)
        except (msgspec.DecodeError, ValueError, RecursionError):
            yield _decode(shape, item, where)  # raises the precise error


def _warnings(envelope: _Envelope) -> tuple[str, ...]:
    return (*envelope.warnings, *envelope.infos)
