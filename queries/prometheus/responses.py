"""Prometheus' JSON responses, decoded into samples, series, rules and metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from hashlib import blake2b
from typing import TypeVar

import msgspec

from queries.decode_cache import DecodeCache
from queries.decoding import decode_json
from queries.errors import InvalidResponse, SourceError
from queries.http.error_mapping import from_response
from queries.model.alert import Alert, AlertRule, AlertState
from queries.model.annotations import NO_ANNOTATIONS, Annotations
from queries.model.frozen import dataclass
from queries.model.rule import Rule, RuleGroup, RuleKind
from queries.model.series import Labels, Point, Sample, Series
from queries.text.times import parse_rfc3339

T = TypeVar("T")

_FIRST_PAGE = "the server listed only its first rule groups"
_VALUE = b'"value":['
_MOST_KEPT_BYTES = 32 << 10
_MOST_KEPT = 8
"""How many responses an `InstantDecoder` keeps, and the largest of them; larger ones are decoded in several threads."""


@dataclass(frozen=True, slots=True)
class InstantResult:
    """An instant vector (a scalar is one sample without labels), with the server's annotations."""

    samples: tuple[Sample, ...]
    annotations: Annotations = NO_ANNOTATIONS
    is_thanos: bool = field(default=False, compare=False)
    """Whether the answer has the field by which a Thanos Query is known."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """The server's warnings, and its infos after them."""
        return (*self.annotations.warnings, *self.annotations.infos)


Bucket = tuple[float, float, float]
"""Lower end, upper end and count of a bucket of a native histogram."""


@dataclass(frozen=True, slots=True)
class HistogramSeries:
    """A series of native histograms: each has its time and those of its buckets that are not empty."""

    labels: Labels
    points: tuple[tuple[float, tuple[Bucket, ...]], ...]


@dataclass(frozen=True, slots=True)
class RangeResult:
    """A range matrix, with the server's annotations; `histograms` are the series of native histograms."""

    series: tuple[Series, ...]
    annotations: Annotations = NO_ANNOTATIONS
    is_thanos: bool = field(default=False, compare=False)
    histograms: tuple[HistogramSeries, ...] = ()


@dataclass(frozen=True, slots=True)
class RulesResult:
    """The alerting rules, their pending and firing alerts, and the names of recorded series.

    The alerts have Prometheus' labels, without the `external_labels` that it sends to Alertmanager. Their fingerprint is
    `pending:` or `prometheus:` and a digest of the labels.
    """

    rules: tuple[AlertRule, ...]
    alerts: tuple[Alert, ...]
    recorded: tuple[str, ...]
    partial: str = ""
    """The server's message about rules that are missing here; empty if all are listed."""
    records: tuple[tuple[str, str], ...] = ()
    """Name and expression of every recording rule; a name that several rules record occurs several times."""
    recording: tuple[RuleGroup, ...] = field(default=(), compare=False)
    """The recording rules by group with their evaluation state, which does not count as a change."""
    is_thanos: bool | None = field(default=None, compare=False)
    """Whether the groups have the field by which a Thanos Query is known; None without a group."""
    ahead_seconds: float = 0.0
    """How far the clock of these times is ahead of this machine's, negative if it is behind; 0 if negligible."""
    external_labels: Labels = ()
    """What the server adds to the labels of each alert that it sends, as far as its configuration is known."""


class _Item(msgspec.Struct):
    metric: dict[str, str] = {}
    value: tuple[float, str] | None = None
    """None for a native histogram, which has no single value."""


class _Result(msgspec.Struct, tag_field="resultType"):
    """Thanos Query alone adds `analysis` to every result, empty or null where none was asked for."""

    analysis: object = msgspec.UNSET

    @property
    def is_thanos(self) -> bool:
        return self.analysis is not msgspec.UNSET


class _Vector(_Result, tag="vector", kw_only=True):
    result: list[msgspec.Raw]
    """Decoded one by one: one step over ten thousand series would block every other thread for tens of milliseconds."""


class _Scalar(_Result, tag="scalar", kw_only=True):
    result: tuple[float, str]


class _Histogram(msgspec.Struct):
    buckets: list[tuple[int, str, str, str]] = []
    """Which ends belong to it, lower end, upper end, count."""


class _Series(msgspec.Struct):
    """Both lists at once where the series changed from floats to native histograms."""

    metric: dict[str, str] = {}
    values: list[tuple[float, str]] = []
    histograms: list[tuple[float, _Histogram]] = []


class _Matrix(_Result, tag="matrix", kw_only=True):
    result: list[msgspec.Raw]


class _String(_Result, tag="string", kw_only=True):
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
    datasourceType: str = ""
    """vmalert's own."""
    alerts: list[msgspec.Raw] | None = None


class _Group(msgspec.Struct):
    name: str = ""
    interval: float = 0.0
    rules: list[_Rule] | None = None
    file: str = ""
    evaluationTime: float = 0.0
    lastEvaluation: str = ""
    partialResponseStrategy: str = ""
    """Thanos' own."""


class _Groups(msgspec.Struct):
    """Go writes an empty list as null: Thanos does for groups without rules and rules without alerts."""

    groups: list[_Group] | None
    groupNextToken: str = ""
    """Only where a request or a proxy sets `group_limit`."""


class _Runtime(msgspec.Struct):
    storageRetention: str = ""


class _Envelope(msgspec.Struct):
    """`data` is decoded after the status, because an error has none."""

    status: str
    data: msgspec.Raw = msgspec.Raw(b"null")
    warnings: list[str] | None = None
    infos: list[str] | None = None
    isPartial: bool = False


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
_RUNTIME = msgspec.json.Decoder(_Runtime)
_METADATA = msgspec.json.Decoder(dict[str, list[FamilyMetadata]])


def decode_instant(body: bytes, *, where: str) -> InstantResult:
    """Decode a response of /api/v1/query. Raises InvalidResponse, or the SourceError of an error in the body."""
    envelope = _envelope(body, where)
    data = _decode(_INSTANT, envelope.data, where)
    annotations = _annotations(envelope)
    if isinstance(data, _Matrix):
        raise InvalidResponse(
            "the query returns a range vector, not one value per series", where=where, hint="remove the [range]"
        )
    if isinstance(data, _String):
        raise InvalidResponse("the query returns a string, not a number", where=where)
    if isinstance(data, _Scalar):
        return InstantResult((Sample((), parse_value(data.result[1], where)),), annotations, data.is_thanos)
    items = _each(_ITEM, data.result, where)
    samples = tuple(
        Sample(sort_labels(item.metric), parse_value(item.value[1], where)) for item in items if item.value is not None
    )
    if len(samples) < len(data.result):
        text = f"{len(data.result) - len(samples)} native histograms are not shown"
        annotations = replace(annotations, infos=(*annotations.infos, text))
    return InstantResult(samples, annotations, data.is_thanos)


class InstantDecoder:
    """Decodes the responses of repeated queries: one that differs from the last only in its time is that result again.

    The samples of an instant vector all have the time of the evaluation, which nobody needs.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._last: dict[str, tuple[bytes, InstantResult]] = {}

    def decode(self, query: str, body: bytes) -> InstantResult:
        """As `decode_instant`; the same object for the same values of the same query."""
        if len(body) > _MOST_KEPT_BYTES:
            return decode_instant(body, where=self._where)
        timeless = _without_time(body)
        last = self._last.pop(query, None)
        if last is None or last[0] != timeless:
            last = (timeless, decode_instant(body, where=self._where))
        self._last[query] = last  # the newest is the last one
        if len(self._last) > _MOST_KEPT:
            del self._last[next(iter(self._last))]
        return last[1]


def _without_time(body: bytes) -> bytes:
    """The response without the time of the evaluation, as far as every sample has the same."""
    at = body.find(_VALUE)
    end = body.find(b",", at)
    return body.replace(body[at:end], _VALUE) if 0 <= at < end else body


def decode_range(body: bytes, *, where: str) -> RangeResult:
    """Decode a response of /api/v1/query_range. Raises as `decode_instant`; NaN stays a point."""
    envelope = _envelope(body, where)
    data = _decode(_RANGE, envelope.data, where)
    series: list[Series] = []
    histograms: list[HistogramSeries] = []
    for item in _each(_SERIES, data.result, where):
        labels = sort_labels(item.metric)
        if item.values or not item.histograms:
            series.append(Series(labels, _points(item.values, where)))
        if item.histograms:
            histograms.append(HistogramSeries(labels, _histograms(item.histograms, where)))
    return RangeResult(tuple(series), _annotations(envelope), data.is_thanos, tuple(histograms))


@dataclass(frozen=True, slots=True)
class _DecodedGroup:
    """A group as received, without alerts, and its rules as decoded."""

    received: _Group
    alerting: tuple[AlertRule, ...]
    recording: tuple[Rule, ...]

    def has_rules_of(self, group: _Group) -> bool:
        """Whether only the evaluation differs."""
        mine = self.received
        return (mine.name, mine.file, mine.interval, mine.rules) == (group.name, group.file, group.interval, group.rules)


class RulesDecoder:
    """Decodes successive responses of a server's /api/v1/rules; unchanged groups and rules keep their objects."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._alerts: DecodeCache[Alert] = DecodeCache(lambda item: _alert(_decode(_INSTANCE, item, where), where))
        self._groups: list[_DecodedGroup] = []
        self.size = 0
        """Bytes of the last response."""

    def decode(self, body: bytes) -> RulesResult:
        """Raises as `decode_instant`."""
        self.size = len(body)
        envelope = _envelope(body, self._where)
        decoded_groups = _decode(_RULES, envelope.data, self._where)
        received = decoded_groups.groups or ()
        instances: list[msgspec.Raw] = []
        for group in received:
            for rule in group.rules or ():
                if rule.type == "alerting":
                    instances.extend(rule.alerts or ())
                rule.alerts = None
        known = [*self._groups, *[None] * len(received)]
        groups = [
            before if before and before.has_rules_of(group) else _decode_group(group)
            for group, before in zip(received, known, strict=False)
        ]
        alerting = tuple(rule for group in groups for rule in group.alerting)
        records = {(rule.name, rule.expression): None for group in groups for rule in group.recording}
        # The server returns the alerts of a rule in a different order each time.
        alerts = sorted(self._alerts.read(instances), key=lambda item: item.fingerprint)
        recording = tuple(
            _rule_group(group, decoded.recording, self._where)
            for group, decoded in zip(received, groups, strict=True)
            if decoded.recording
        )
        self._groups = groups
        recorded = tuple(sorted({name for name, _ in records}))
        missing = _annotations(envelope).partial or (_FIRST_PAGE if decoded_groups.groupNextToken else "")
        is_thanos = any(group.partialResponseStrategy for group in received) if received else None
        return RulesResult(alerting, tuple(alerts), recorded, missing, tuple(sorted(records)), recording, is_thanos)


def decode_metadata(body: bytes, *, where: str) -> Mapping[str, list[FamilyMetadata]]:
    """Decode a response of /api/v1/metadata. Raises as `decode_instant`."""
    return _decode(_METADATA, _envelope(body, where).data, where)


def decode_retention(body: bytes, *, where: str) -> str:
    """Decode how long samples are kept, from /api/v1/status/runtimeinfo; empty without it. Raises as `decode_instant`."""
    return _decode(_RUNTIME, _envelope(body, where).data, where).storageRetention


def decode_rule_groups(body: bytes, *, where: str) -> tuple[RuleGroup, ...]:
    """Decode the groups of /api/v1/rules with definitions and evaluation state. Raises as `decode_instant`."""
    data = _decode(_RULES, _envelope(body, where).data, where)
    kinds = {"alerting": RuleKind.ALERT, "recording": RuleKind.RECORD}
    external = _find_external_labels(data.groups or ())
    return tuple(replace(_rule_group(group, _rules(group, kinds), where), external=external) for group in data.groups or ())


def _find_external_labels(groups: Sequence[_Group]) -> Labels:
    """The labels of every rule of a vmalert: it lists its external labels among those of the file."""
    rules = [rule for group in groups for rule in group.rules or ()]
    if not rules or not all(rule.datasourceType for rule in rules):
        return ()
    return tuple(sorted(frozenset.intersection(*(frozenset(rule.labels.items()) for rule in rules))))


def _decode_group(group: _Group) -> _DecodedGroup:
    alerting = tuple(_alert_rule(rule, group) for rule in group.rules or () if rule.type == "alerting")
    return _DecodedGroup(group, alerting, _rules(group, {"recording": RuleKind.RECORD}))


def _rules(group: _Group, kinds: Mapping[str, RuleKind]) -> tuple[Rule, ...]:
    """The group's rules of these kinds."""
    return tuple(_rule(item, kinds[item.type]) for item in group.rules or () if item.type in kinds)


def _rule_group(group: _Group, rules: tuple[Rule, ...], where: str) -> RuleGroup:
    return RuleGroup(
        name=group.name,
        file=group.file,
        rules=rules,
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


def _histograms(items: list[tuple[float, _Histogram]], where: str) -> tuple[tuple[float, tuple[Bucket, ...]], ...]:
    def number(text: str) -> float:
        return parse_value(text, where)

    return tuple(
        (at, tuple((number(low), number(high), number(count)) for _, low, high, count in histogram.buckets))
        for at, histogram in items
    )


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


def _annotations(envelope: _Envelope) -> Annotations:
    if not (envelope.warnings or envelope.infos or envelope.isPartial):
        return NO_ANNOTATIONS
    return Annotations.read(envelope.warnings or (), envelope.infos or (), is_partial=envelope.isPartial)
