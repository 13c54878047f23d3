"""A stand-in for Loki: it keeps lines in memory and answers as Loki 3.7.8 does, for selectors, line filters and counts."""

from __future__ import annotations

import json
import re
import threading
from bisect import bisect_left, insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from console.logs.line_fields import find_fields
from queries.model.frozen import dataclass
from queries.model.matcher import Matcher, MatcherError, parse_matchers
from queries.model.regex import RegexError, compile_search
from queries.model.series import Labels
from queries.text.durations import format_duration, parse_duration

_TEXT, _JSON = "text/plain; charset=utf-8", "application/json; charset=UTF-8"
_NANO = 1_000_000_000
_QUERY = re.compile(r"""\s*(?P<selector>\{(?:[^}"]|"(?:\\.|[^"\\])*")*\})(?P<filters>.*)""", re.DOTALL)
_FILTER = re.compile(r"""\s*(\|=|!=|\|~|!~)\s*(?:"((?:\\.|[^"\\])*)"|`([^`]*)`)""")
_PARSER = re.compile(r"""\s*\|\s*(json|logfmt)\s+(\w+)\s*=\s*"((?:\\.|[^"\\])*)["]""")
_LABEL_FILTER = re.compile(r"""\s*\|\s*(\w+\s*(?:=~|!~|!=|=)\s*"(?:\\.|[^"\\])*")""")
_COUNT = re.compile(
    r"\s*sum(?:\s+by\s*\((?P<by>[^)]*)\))?\s*\(\s*count_over_time\((?P<query>.*)\[(?P<range>\w+)\]\s*\)\s*\)\s*", re.DOTALL
)
_STATS = {"summary": {"bytesProcessedPerSecond": 0, "execTime": 0.001, "totalEntriesReturned": 0}}
_DROP = re.compile(r"\s*\|\s*drop\s+(\w+(?:\s*,\s*\w+)*)")
_HOUR_SECONDS = 3600
_LABELS_SECONDS = 6 * 3600
_ERROR = "__error__"
_SKIP_ERROR = "Use a label filter to intentionally skip this error."
_MOST_DELAY_SECONDS = 5.0
_Found = tuple[int, str, bytes]


class QueryRefused(Exception):
    """What Loki answers in plain text."""

    def __init__(self, text: str, status: int = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the tenant, with Loki's defaults."""

    entries: int = 5000
    range_seconds: float = 30 * 86_400 + 3600
    needs_tenant: bool = False
    tails: int = 10
    tail_seconds: float = 3600.0
    tail_entries: int = 10_000
    """How many lines a tail sends at once; it drops the others and names half of them, as a slow reader saw it."""


@dataclass(frozen=True, slots=True)
class TailQuery:
    """A query that is followed: from when its history is sent (Unix nanoseconds), and at most how many lines of it.
    `refusal` is what the server says after the upgrade; empty if it follows the query.
    """

    query: str
    start_ns: int
    limit: int
    refusal: str = ""
    categorized: bool = False


@dataclass(frozen=True, slots=True, order=True)
class _Entry:
    at_ns: int
    labels: Labels
    text: str
    metadata: Labels = ()


@dataclass(slots=True)
class LineStore:
    """The lines of all tenants as one, ordered by time; an exact duplicate is kept once."""

    limits: Limits = Limits()
    _entries: list[_Entry] = field(default_factory=list)
    _known: set[_Entry] = field(default_factory=set)
    _arrived: list[_Entry] = field(default_factory=list)
    """In the order in which they were pushed."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def push(
        self, labels: Mapping[str, str], lines: Sequence[tuple[int, str]], *, metadata: Mapping[str, str] | None = None
    ) -> None:
        """Lines of one stream: Unix nanoseconds and text."""
        named = tuple(sorted(labels.items()))
        beside = tuple(sorted((metadata or {}).items()))
        with self._lock:
            for at_ns, text in lines:
                entry = _Entry(at_ns, named, text, beside)
                if entry not in self._known:
                    self._known.add(entry)
                    self._arrived.append(entry)
                    insort(self._entries, entry)

    def check_tail(self, params: Mapping[str, str], headers: Mapping[str, str], *, now: float) -> TailQuery:
        """What a tail asks for. Raises QueryRefused for what is refused before the upgrade."""
        if self.limits.needs_tenant and not headers.get("x-scope-orgid"):
            raise QueryRefused("no org id", HTTPStatus.UNAUTHORIZED)
        query = params.get("query", "")
        if float(params.get("delay_for", "0")) > _MOST_DELAY_SECONDS:
            raise QueryRefused("delay_for can't be greater than 5")
        numbers = _COUNT.fullmatch(query) is not None
        if not numbers:
            _parse_query(query)
        start_ns = _nanoseconds(params.get("start"), int((now - _HOUR_SECONDS) * _NANO))
        refusal = "only log selector is supported" if numbers else ""
        if start_ns > now * _NANO:
            text = "this data is no longer available, it is past now - max_query_lookback (0s)"
            refusal = f"rpc error: code = Code(400) desc = {text}"
        return TailQuery(query, start_ns, int(params.get("limit", 100)), refusal, _wants_categories(headers))

    def open_tail(self, query: TailQuery) -> tuple[int, dict[str, Any]]:
        """Where the live lines begin, and the history as the first message; empty without one."""
        position, found = self._read_arrived(query, 0)
        history = sorted(entry for entry in found if entry.at_ns >= query.start_ns)
        return position, _tail_message(history[-query.limit :], (), categorized=query.categorized)

    def read_tail(self, query: TailQuery, position: int) -> tuple[int, dict[str, Any]]:
        """The position after the lines that were pushed since the one before, and the message with them; empty for none."""
        position, found = self._read_arrived(query, position)
        sent, dropped = found[: self.limits.tail_entries], found[self.limits.tail_entries :]
        return position, _tail_message(sent, dropped[: (len(dropped) + 1) // 2], categorized=query.categorized)

    def _read_arrived(self, query: TailQuery, position: int) -> tuple[int, list[_Entry]]:
        matchers, filters = _parse_query(query.query)
        with self._lock:
            new = self._arrived[position:]
        found = [entry for entry in new if _selects(matchers, entry.labels) and _passes(entry, filters)]
        return position + len(new), found

    def answer(self, path: str, params: Mapping[str, str], headers: Mapping[str, str], *, now: float) -> _Found:
        """Status, content type and body; `headers` have lower-case names."""
        if path == "/ready":
            return HTTPStatus.OK, _TEXT, b"ready\n"
        if self.limits.needs_tenant and not headers.get("x-scope-orgid"):
            return HTTPStatus.UNAUTHORIZED, _TEXT, b"no org id\n"
        try:
            return self._answer(path, params, _wants_categories(headers), now)
        except QueryRefused as refusal:
            return refusal.status, _TEXT, str(refusal).encode()

    def _answer(self, path: str, params: Mapping[str, str], categorized: bool, now: float) -> _Found:
        if path == "/loki/api/v1/labels":
            return _names({name for labels in self._streams(params, now) for name in labels})
        if found := re.fullmatch(r"/loki/api/v1/label/([^/]+)/values", path):
            name = unquote(found[1])
            return _names({labels[name] for labels in self._streams(params, now) if name in labels})
        if path == "/loki/api/v1/query":
            return self._count_once(params, now)
        if path == "/loki/api/v1/query_range":
            start_ns = _nanoseconds(params.get("start"), int((now - _HOUR_SECONDS) * _NANO))
            end_ns = _nanoseconds(params.get("end"), int(now * _NANO))
            if end_ns <= start_ns:
                raise QueryRefused("end timestamp must not be before or equal to start time")
            if (end_ns - start_ns) / _NANO > self.limits.range_seconds:
                seconds, limit = (end_ns - start_ns) / _NANO, self.limits.range_seconds
                text = f"(query length: {_go_duration(seconds)}, limit: {format_duration(limit)})"
                raise QueryRefused(f"the query time range exceeds the limit {text}")
            if found := _COUNT.fullmatch(params.get("query", "")):
                return self._count_range(found, params, start_ns, end_ns)
            return self._lines(params, start_ns, end_ns, categorized)
        return HTTPStatus.NOT_FOUND, _TEXT, b""  # as for patterns where they are not enabled

    def _streams(self, params: Mapping[str, str], now: float) -> list[dict[str, str]]:
        """The labels of the lines of a time, by default the last six hours, and of a selector."""
        start_ns = _nanoseconds(params.get("start"), int((now - _LABELS_SECONDS) * _NANO))
        end_ns = _nanoseconds(params.get("end"), int(now * _NANO))
        matchers, _ = _parse_query(params["query"]) if params.get("query") else ((), ())
        return [
            dict(labels)
            for labels in {entry.labels: None for entry in self._between(start_ns, end_ns + 1)}
            if _selects(matchers, labels)
        ]

    def _lines(self, params: Mapping[str, str], start_ns: int, end_ns: int, categorized: bool) -> _Found:
        limit = int(params.get("limit", 100))
        if limit > self.limits.entries:
            most = self.limits.entries
            raise QueryRefused(f"max entries limit per query exceeded, limit > max_entries_limit_per_query ({limit} > {most})")
        found = self._select(params.get("query", ""), start_ns, end_ns)
        found = found[:limit] if params.get("direction") == "forward" else found[::-1][:limit]
        streams: dict[Labels, list[Any]] = {}
        for entry in found:
            beside = dict(entry.metadata)
            if categorized:
                groups = {"structuredMetadata": beside} if beside else {}
                streams.setdefault(entry.labels, []).append([str(entry.at_ns), entry.text, groups])
            else:
                labels = tuple(sorted((dict(entry.labels) | beside).items()))
                streams.setdefault(labels, []).append([str(entry.at_ns), entry.text])
        result = [{"stream": dict(labels), "values": values} for labels, values in streams.items()]
        flags = {"encodingFlags": ["categorize-labels"]} if categorized else {}
        return _data({"resultType": "streams", **flags, "result": result})

    def _count_range(self, found: re.Match[str], params: Mapping[str, str], start_ns: int, end_ns: int) -> _Found:
        step_ns = max(1, int(float(params.get("step", "1")) * _NANO))
        if (end_ns - start_ns) // step_ns > 11_000:
            raise QueryRefused(
                "exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step"
            )
        range_ns = int(parse_duration(found["range"]) * _NANO)
        series: dict[Labels, list[list[Any]]] = {}
        for at_ns in range(start_ns, end_ns + 1, step_ns):
            for labels, count in self._count(found, at_ns - range_ns, at_ns).items():
                series.setdefault(labels, []).append([at_ns / _NANO, str(count)])
        return _data(
            {"resultType": "matrix", "result": [{"metric": dict(key), "values": each} for key, each in series.items()]}
        )

    def _count_once(self, params: Mapping[str, str], now: float) -> _Found:
        found = _COUNT.fullmatch(params.get("query", ""))
        if found is None:
            text = "log queries are not supported as an instant query type, please change your query to a range query type"
            raise QueryRefused(text)
        at_ns = _nanoseconds(params.get("time"), int(now * _NANO))
        counts = self._count(found, at_ns - int(parse_duration(found["range"]) * _NANO), at_ns)
        result = [{"metric": dict(key), "value": [at_ns / _NANO, str(count)]} for key, count in counts.items()]
        return _data({"resultType": "vector", "result": result})

    def _count(self, found: re.Match[str], after_ns: int, until_ns: int) -> dict[Labels, int]:
        by = [name.strip() for name in (found["by"] or "").split(",") if name.strip()]
        counts: dict[Labels, int] = {}
        _, stages = _parse_query(found["query"])
        for entry in self._select(found["query"], after_ns + 1, until_ns + 1):
            every = dict(entry.labels) | dict(entry.metadata)
            _ = [stage(entry.text, every) for stage in stages]
            if error := every.get(_ERROR):
                raise QueryRefused(f"pipeline error: '{error}' for series: '{{{_ERROR}=\"{error}\"}}'.\n{_SKIP_ERROR}")
            key = tuple((name, every[name]) for name in by if name in every)
            counts[key] = counts.get(key, 0) + 1
        return counts

    def _select(self, query: str, start_ns: int, end_ns: int) -> list[_Entry]:
        matchers, filters = _parse_query(query)
        part = self._between(start_ns, end_ns)
        return [entry for entry in part if _selects(matchers, entry.labels) and _passes(entry, filters)]

    def _between(self, start_ns: int, end_ns: int) -> list[_Entry]:
        with self._lock:
            first = bisect_left(self._entries, start_ns, key=lambda entry: entry.at_ns)
            last = bisect_left(self._entries, end_ns, key=lambda entry: entry.at_ns)
            return self._entries[first:last]


def _go_duration(seconds: float) -> str:
    """`1440h0m0s`, `1h0m1.5s`: as Go writes it."""
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes // 60)}h{int(minutes % 60)}m{rest:g}s"


def _wants_categories(headers: Mapping[str, str]) -> bool:
    return "categorize-labels" in headers.get("x-loki-response-encoding-flags", "")


def _tail_message(entries: Sequence[_Entry], dropped: Sequence[_Entry], *, categorized: bool) -> dict[str, Any]:
    """Live lines carry the labels of their stream alone, and their metadata only if it is requested apart."""
    streams: dict[Labels, list[list[Any]]] = {}
    for entry in entries:
        beside = [{"structuredMetadata": dict(entry.metadata)} if entry.metadata else {}] if categorized else []
        streams.setdefault(entry.labels, []).append([str(entry.at_ns), entry.text, *beside])
    message: dict[str, Any] = {}
    if streams or dropped:
        message["streams"] = [{"stream": dict(labels), "values": values} for labels, values in streams.items()]
    if dropped:
        message["dropped_entries"] = [{"timestamp": str(entry.at_ns), "labels": dict(entry.labels)} for entry in dropped]
    return {**message, "encodingFlags": ["categorize-labels"]} if message and categorized else message


_Stage = Callable[[str, dict[str, str]], bool]
"""Whether a line passes, by its text and its labels, to which a parser adds."""


def _passes(entry: _Entry, stages: Sequence[_Stage]) -> bool:
    labels = dict(entry.labels) | dict(entry.metadata)
    return all(stage(entry.text, labels) for stage in stages)


def _parse_query(query: str) -> tuple[tuple[Matcher, ...], tuple[_Stage, ...]]:
    found = _QUERY.fullmatch(query)
    if found is None:
        missing = "{" if not query.lstrip().startswith("{") else "STRING" if query.rstrip()[-1:] in "=~" else "} or ,"
        raise QueryRefused(f"parse error at line 1, col {len(query) + 1}: syntax error: unexpected $end, expecting {missing}")
    try:
        matchers = parse_matchers(found["selector"])
    except MatcherError as error:
        raise QueryRefused(f"parse error at line 1, col 2: {error}") from None
    if all(matcher.matches(()) for matcher in matchers):
        text = (
            "parse error : queries require at least one regexp or equality matcher that does not have an empty-compatible "
            'value. For instance, app=~".*" does not meet this requirement, but app=~".+" will'
        )
        raise QueryRefused(text)
    filters: list[_Stage] = []
    rest = found["filters"].strip()
    while rest:
        if part := _FILTER.match(rest):
            filters.append(_line_filter(part[1], json.loads(f'"{part[2]}"') if part[2] is not None else part[3]))
        elif part := _PARSER.match(rest):
            filters.append(_parser(part[1], part[2], json.loads(f'"{part[3]}"')))
        elif part := _DROP.match(rest):
            filters.append(_drop([name.strip() for name in part[1].split(",")]))
        elif part := _LABEL_FILTER.match(rest):
            filters.append(_label_filter(parse_matchers("{" + part[1] + "}")[0]))
        else:
            raise QueryRefused(f"parse error at line 1, col {len(query) - len(rest) + 1}: syntax error: unexpected IDENTIFIER")
        rest = rest[part.end() :].strip()
    return matchers, tuple(filters)


def _parser(kind: str, name: str, path: str) -> _Stage:
    """Adds one field of JSON or logfmt to the labels."""

    def parse(line: str, labels: dict[str, str]) -> bool:
        requested = re.sub(r'\["([^"]*)"\]', r"\1", path) if kind == "json" else path
        fields = {field.name: field.value for field in find_fields(line) if field.kind == kind}
        labels[name] = fields.get(requested, "")
        if kind == "json" and not line.lstrip().startswith("{"):
            labels[_ERROR] = "JSONParserErr"
        return True

    return parse


def _drop(names: Sequence[str]) -> _Stage:
    def drop(_: str, labels: dict[str, str]) -> bool:
        for name in names:
            labels.pop(name, None)
        return True

    return drop


def _label_filter(matcher: Matcher) -> _Stage:
    return lambda _, labels: matcher.matches(tuple(labels.items()))


def _line_filter(operator: str, text: str) -> _Stage:
    keeps = operator[0] == "|"
    if operator in ("|=", "!="):
        return lambda line, _: (text in line) is keeps
    try:
        search = compile_search(text, ignore_case=False).search
    except RegexError as error:
        raise QueryRefused(f"parse error : error parsing regexp: {error}") from None
    return lambda line, _: (search(line.encode()) is not None) is keeps


def _selects(matchers: Sequence[Matcher], labels: Labels) -> bool:
    return all(matcher.matches(labels) for matcher in matchers)


def _nanoseconds(text: str | None, default: int) -> int:
    """Loki takes nanoseconds, seconds and seconds with a fraction; numbers of ten digits are seconds."""
    if not text:
        return default
    if text.isdigit() and len(text) > 10:
        return int(text)
    return int(float(text) * _NANO)


def _names(names: set[str]) -> _Found:
    """Without a name the key `data` is left out."""
    body = {"status": "success", **({"data": sorted(names)} if names else {})}
    return HTTPStatus.OK, _JSON, json.dumps(body).encode()


def _data(data: Mapping[str, Any]) -> _Found:
    return HTTPStatus.OK, _JSON, json.dumps({"status": "success", "data": {**data, "stats": _STATS}}).encode()
